"""convlin's answer where an exception ends a script, a cell or a test: found from the traceback alone."""
