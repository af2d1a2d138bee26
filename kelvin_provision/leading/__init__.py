"""Which box leads a cluster of several nodes: its name in the lease, and the lease before every change."""
