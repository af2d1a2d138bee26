"""JSON documents with one value changed, for readers that must refuse it."""

import json


def with_value(data, path, value):
    """The document with another value at this path: names of members, and numbers of items."""
    document = json.loads(data)
    *way, last = path
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    return json.dumps(document).encode()
