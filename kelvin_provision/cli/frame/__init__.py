"""What every command shares: parsing, shared options, streams, signals, exit codes."""
