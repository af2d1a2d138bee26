"""What is done at a desk: a computer with a network, which needs neither a runtime nor a cluster."""
