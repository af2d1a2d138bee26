"""Connections of the API: where it listens, how long it waits, and by which names it is known."""
