"""Commands about trust documents."""
