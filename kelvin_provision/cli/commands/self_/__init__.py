"""The versions of this program on the box."""
