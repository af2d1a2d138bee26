"""schemathesis over the API, by its own description: `python -m tests.fuzz`. See docs/adr/0041.

And `bundles`: files of bundles that were changed at random.
"""
