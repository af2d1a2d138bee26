"""Keys and certificates of nodes."""
