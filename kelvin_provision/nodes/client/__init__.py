"""How a node reaches the others."""
