"""Garbage collection: what running processes need, and what nothing needs."""
