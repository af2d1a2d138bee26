"""How the network may be used: rate, windows, budget, parallel transfers."""
