"""One entry per torch function: its names, family, formula, and how it is explained and drawn."""
