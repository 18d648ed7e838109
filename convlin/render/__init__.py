"""A report as text and pictures; knows tables and nothing of torch."""
