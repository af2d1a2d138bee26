"""What this box is set to: one frozen value, and where each part of it came from."""
