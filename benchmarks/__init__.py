"""Side-by-side measurements of the server and of what one would use instead."""
