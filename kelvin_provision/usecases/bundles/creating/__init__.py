"""Create a bundle, at a desk."""
