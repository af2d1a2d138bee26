"""Commands of the group `bundle`."""
