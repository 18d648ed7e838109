"""What convlin knows of each torch function: one entry for each, and what is done by what an entry says."""
