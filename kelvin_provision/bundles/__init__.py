"""Bundles: requests and images as one signed file, or a few, on removable media."""
