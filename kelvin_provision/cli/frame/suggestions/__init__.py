"""What is suggested for an unknown command. Imported for nothing else."""
