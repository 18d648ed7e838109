"""One forward pass under hooks and a function mode, and the record of what it did."""
