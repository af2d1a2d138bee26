"""Which routes take a document of an app."""

DOCUMENTS = ("/workloads/deploy", "/configurations/update", "/workloads/create", "/patch", "/bulk/update")
"""It has rules of its own that no schema says; its findings are refusals by name."""
