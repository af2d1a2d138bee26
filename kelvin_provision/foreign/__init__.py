"""The gate: whatever the outside world says passes here before it is shown, stored or sent."""
