"""Publications: requests for a fleet, as signed artifacts at a registry, and the reports of its boxes."""
