"""Errors of commands, and their hints as lines to type."""

import json
import re
import shlex

from tests.kit import box as kit

MADE = set()
"""The codes of the errors that were made."""


def stage(box, version, name="pump"):
    box.deploy(name, version=version)
    box.turn()


def error(box, *words):
    """The error of a command; its hint is a line to type."""
    result = box.run(*words, "--json")
    found = json.loads(result.stdout)["error"]
    MADE.add(found["code"])
    return found


def typed(box, hint, **values):
    """Type the command of a hint, with what stands for a value replaced."""
    words = shlex.split(re.split(r"; |, or ", hint[hint.index("kelvin-provision") :])[0])
    return box.run(*(values.get(word, word) for word in words[1:]))


def request(path, name="fan", **more):
    payload = {"spec_version": "5.0.0", "type": "docker", "name": name, "title": name, "description": name, "version": "1.0.0"}
    payload["image"] = {"mode": "manual", "uri": f"r.io/{name}:1.0.0"}
    document = {"name": name, "title": name, "app_name": name, "app_version": "1.0.0", "payload": payload | more}
    path.write_text(json.dumps(document | {"staged": True, "instantly_apply": False}))
    return str(path)


def two_versions(folder):
    return kit.two_versions(folder, "pump")
