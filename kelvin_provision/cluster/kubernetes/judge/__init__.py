"""What live objects mean: readiness, failures, rollouts, drift, permissions, capacity. Pure."""
