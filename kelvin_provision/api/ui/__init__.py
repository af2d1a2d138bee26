"""Pages for people, below `/ui/`."""
