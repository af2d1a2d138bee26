"""The background process: one per box."""
