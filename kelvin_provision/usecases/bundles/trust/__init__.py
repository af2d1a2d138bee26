"""Use-cases about trust documents."""
