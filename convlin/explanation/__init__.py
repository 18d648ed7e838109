"""Explanations as text: where a number comes from, step by step."""
