"""The commands of `kelvin-provision api token`."""
