"""Requests and answers as values: bodies, parameters, documents, errors."""
