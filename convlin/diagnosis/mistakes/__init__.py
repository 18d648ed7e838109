"""Kinds of mistakes that one finding alone does not tell: a run with the change in place settles most of them."""
