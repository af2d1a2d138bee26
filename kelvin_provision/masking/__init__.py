"""What is secret, and what is shown instead. Pure."""
