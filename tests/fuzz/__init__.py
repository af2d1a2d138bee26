"""schemathesis over the API, by its own description: `python -m tests.fuzz`. See docs/adr/0041."""
