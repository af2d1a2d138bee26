"""A new box is set up: what is on it, what has to change, and the changes."""
