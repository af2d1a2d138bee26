"""A new revision made from one that is there."""
