"""Connections of a server of this program: where it listens, TLS, and how little a client can take."""
