"""The kinds of Kubernetes objects: their shapes, and the fields that only the server sets."""
