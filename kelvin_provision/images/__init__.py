"""Images on this node: inventory, prune, verify. See README.md."""
