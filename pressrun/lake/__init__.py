"""Delta Lake tables under one root, and the one path by which rows get into them."""
