"""Runtimes: where images go."""
