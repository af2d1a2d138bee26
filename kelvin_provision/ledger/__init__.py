"""What we know of workloads: a SQLite database."""
