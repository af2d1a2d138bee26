"""Staging: resolve, download, verify, import. What runs is not touched."""
