"""Shapes beside the user's code: which line made which, as a listing, as comments, and the comments checked.

``expressions`` finds the expression that made a tensor, ``values`` what the expressions around it come to, and
``lines`` what each line made.  From that ``listing`` and ``inlay`` show the code, ``edits`` writes comments in the
form of ``comments``, ``holding`` and ``stale`` hold those that are there against a run, and ``signatures`` writes
types, with ``forwards``, ``hints``, ``axis_names`` and ``type_imports`` for what to write.
"""
