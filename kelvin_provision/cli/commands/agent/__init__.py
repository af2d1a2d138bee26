"""The commands of `kelvin-provision agent`."""
