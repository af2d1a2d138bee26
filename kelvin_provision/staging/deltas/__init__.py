"""Layers that come as deltas: chosen, fetched in place of the layers, and rebuilt."""
