"""The kinds of Kubernetes objects: their shapes, and what of them is not a person's to write."""
