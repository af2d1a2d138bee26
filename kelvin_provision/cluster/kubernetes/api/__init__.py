"""The API server: transport, verbs, watches, and what its answers mean."""
