"""Expected shapes, and lock files that store them."""
