"""The objects of a revision, and what all our objects have in common. Pure."""
