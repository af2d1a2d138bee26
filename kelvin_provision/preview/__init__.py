"""What an apply would change, before it does."""
