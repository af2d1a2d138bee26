"""Media: where the bundles of this box are now, and what they have."""
