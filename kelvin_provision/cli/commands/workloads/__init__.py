"""The commands of `kelvin-provision workloads`."""
