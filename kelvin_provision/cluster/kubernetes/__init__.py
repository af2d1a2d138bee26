"""Kubernetes: k3s or any other."""
