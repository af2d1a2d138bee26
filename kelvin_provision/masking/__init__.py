"""What may leave this box: secrets found by name, by pattern and by value, and taken out of whatever passes. Pure."""
