"""What a box says to a desk: what it has, and what it has imported."""
