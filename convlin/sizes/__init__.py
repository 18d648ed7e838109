"""Sizes as numbers or closed forms in named sizes: parse, print, simplify, evaluate, prove equal."""
