"""Routes about the other nodes and boxes of a site."""
