"""Shapes beside the user's code: which line made which, as a listing, as comments, and the comments checked."""
