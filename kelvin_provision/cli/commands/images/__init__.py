"""Commands of the group `images`."""
