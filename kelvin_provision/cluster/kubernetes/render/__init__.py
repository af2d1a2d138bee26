"""The objects of a revision, and what is common to all objects of ours. Pure."""
