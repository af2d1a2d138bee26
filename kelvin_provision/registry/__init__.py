"""Registries: where images come from. See README.md."""
