"""Clusters: what runs workloads."""
