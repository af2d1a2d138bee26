"""The commands of `kelvin-provision api cert`."""
