"""A staged version started beside the running one on Kubernetes, cut off from it."""
