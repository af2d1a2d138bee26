"""The one background process."""
