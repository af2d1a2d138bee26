"""Commands of the group `follow`."""
