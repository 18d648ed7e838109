"""What convlin knows about torch functions: families, stand-ins, writes and meta shapes."""
