"""Runs in the environment of a published client: a call of it per line of standard input, its result per line of standard output.

`python client_process.py URL USER`; a line is `[name, {argument: value}]`; `app_workloads.name` is one of the newer routes.
"""

import base64
import json
import os
import sys

from kelvin.api.client import Client


def plain(value):
    """Models and lists of them as JSON values."""
    if hasattr(value, "iter_bytes"):  # a whole answer of httpx
        return base64.b64encode(value.content).decode()
    if hasattr(value, "__next__"):  # the parts of a file
        return base64.b64encode(b"".join(value)).decode()
    encode = getattr(value, "model_dump_json", None) or getattr(value, "json", None)  # pydantic 2 or 1
    if encode is not None:
        return json.loads(encode())
    return [plain(item) for item in value] if isinstance(value, list) else value


def main(url, user):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what clients log to standard output is no answer
    try:
        client = Client(config={"url": url, "username": user})
    except TypeError:  # from 1.0 on
        client = Client(url=url, username=user)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        group, _, name = name.rpartition(".")
        owner = client if name in {"login", "logout"} else getattr(client, group or "deprecated_workload", None) or client.workload
        try:
            answer = {"result": plain(getattr(owner, name)(**arguments))}
        except Exception as error:  # noqa: BLE001  (what the client raises is what the test looks at)
            answer = {"error": type(error).__name__, "text": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main(*sys.argv[1:])
