"""Networks whose pictures are tested, and the pictures of some of them as kept in files."""
