"""Requests and what they become: values and pure functions."""
