"""What refers to an image at a registry: signatures and deltas."""
