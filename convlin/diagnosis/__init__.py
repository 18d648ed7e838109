"""Turns the findings of a pass into problems: what does not fit, where, why, and the fix."""
