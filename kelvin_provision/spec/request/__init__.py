"""Requests into accepted workloads."""
