"""Use-cases. They know protocols and values, never an implementation."""
