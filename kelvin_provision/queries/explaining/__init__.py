"""What states, errors and exit codes mean: `explain`."""
