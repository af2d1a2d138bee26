"""The database file: its tables, how it is opened, transactions."""
