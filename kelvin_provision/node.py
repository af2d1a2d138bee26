"""The only place that chooses."""
