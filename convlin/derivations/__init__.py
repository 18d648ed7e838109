"""From a call to the arithmetic of its size: which formula belongs to which layer and function.

``of_layers`` has a function for every family of layers, named in its entry of ``layers.RULES``;
``of_functions`` knows the functions between layers by name.  Both read nothing but the shapes and
settings of a `Call`, so that a record keeps no module and derives only when text is asked for.
"""
