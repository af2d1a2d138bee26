"""What leader and members serve to each other."""
