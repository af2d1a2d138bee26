"""Rehearsals: proof before the window that a staged version starts on this box."""
