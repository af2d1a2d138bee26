"""The commands of `kelvin-provision config`."""
