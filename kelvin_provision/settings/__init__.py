"""The settings of this box, and where each value was set."""
