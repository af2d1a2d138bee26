"""The state of workloads, in a SQLite database."""
