"""Docker Engine as the cluster of a box without Kubernetes."""
