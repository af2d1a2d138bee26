"""Limits of the link to the registries: rate, concurrency, download window, data budget."""
