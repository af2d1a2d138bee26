"""Commands of the group `media`."""
