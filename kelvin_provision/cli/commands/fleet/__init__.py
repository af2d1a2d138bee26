"""Publishing to a fleet, and what its boxes report."""
