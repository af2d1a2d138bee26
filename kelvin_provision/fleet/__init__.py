"""The desk's half of a fleet: publishing to it, and looking at what its boxes report."""
