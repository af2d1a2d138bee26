"""Files into plain JSON values, within limits."""
