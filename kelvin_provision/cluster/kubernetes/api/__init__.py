"""The API server: logins, connections, verbs, watches, and what its errors mean."""
