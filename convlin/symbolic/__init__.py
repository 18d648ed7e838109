"""Summaries in named sizes: the same pass on letters."""
