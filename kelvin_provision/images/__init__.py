"""Images on this box: inventory, prune, verify."""
