"""Mistakes that raise nothing: found in what a pass recorded, without another run."""
