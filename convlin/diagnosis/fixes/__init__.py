"""The line to change for every finding, and that line as it should be."""
