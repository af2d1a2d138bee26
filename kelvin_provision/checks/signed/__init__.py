"""Checks of what must be signed, and by whom."""
