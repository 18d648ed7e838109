"""From a call to the arithmetic of its size: which formula belongs to which layer.

``of_layers`` has a function for every family of layers, named in its entry of ``layers.RULES``;
``ops`` does the same for the functions between layers.  Both read nothing but the shapes and
settings of a `Call`, so that a record keeps no module and derives only when text is asked for.
"""
