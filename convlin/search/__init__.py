"""Finds the input sizes that a model takes, by running it."""
