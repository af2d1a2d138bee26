"""What the leader remembers of its members."""
