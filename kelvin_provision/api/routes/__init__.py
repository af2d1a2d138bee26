"""The routes of the API: a table, and the handlers that it names."""
