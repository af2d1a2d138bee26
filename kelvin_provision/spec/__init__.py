"""Requests, and the plain values that they become."""
