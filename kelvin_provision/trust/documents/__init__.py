"""Trust documents: keys are rotated and revoked by any medium, without a network and without a clock."""
