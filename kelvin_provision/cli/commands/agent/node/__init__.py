"""The commands of `kelvin-provision node`."""
