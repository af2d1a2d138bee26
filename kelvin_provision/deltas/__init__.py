"""Deltas: one layer made out of another."""
