"""Several nodes: the leader, which has the ledger, and members, which keep the same images."""
