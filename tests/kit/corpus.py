"""The files of tests/corpus: manifests and app manifests in the shapes of the field, and what becomes of each (index.yaml).

Three texts in them stand for what differs: `corpus` for names that a whole cluster or engine knows, `registry.example:5000` for the
registry, `1.0.0` for the version.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.flags import from_flags

FOLDER = Path(__file__).parents[1] / "corpus"
REGISTRY = "registry.example:5000"
HOME = "corpus-home"
"""The namespace of the box, where files name it."""
VERSION = "1.0.0"
APPS, NEWER, REFUSED = "apps", "newer", "refused"


@dataclass(frozen=True)
class Case:
    """`given`: as what the file is given. `rewritten`: what is changed in it; `warnings`, `refused`: what the program says."""

    file: str
    group: str
    about: str
    given: str = "manifests"
    rewritten: str = ""
    warnings: tuple[str, ...] = ()
    refused: str = ""

    @property
    def name(self):
        return Path(self.file).stem.replace(".", "-")[:32].rstrip("-")

    @property
    def outcome(self):
        return "refused" if self.refused else "rewritten" if self.rewritten else "supported"

    def documents(self, *, version=VERSION, unique="corpus", registry=REGISTRY, method="staged-only"):
        """The request with this file, as the command line would make it."""
        text = (FOLDER / self.file).read_bytes().decode()
        data = text.replace(VERSION, version).replace(REGISTRY, registry).replace("corpus", unique).encode()
        file = Path(self.file).name
        if self.given == "request":
            return read(file, data)
        body = {"name": self.name, "app_version": version, "deployment_type": method}
        if self.given == "payload":
            return from_flags(body, payload=(file, data))
        return from_flags({"app_name": self.name} | body, manifests=[(file, data)])


@functools.cache
def cases():
    """All of them, in the order of the index."""
    index = yaml.safe_load((FOLDER / "index.yaml").read_text())
    return tuple(
        Case(f"refused/{file}" if group == REFUSED else file, group, **_entry(entry, group))
        for group, files in index.items()
        for file, entry in files.items()
    )


def _entry(entry, group):
    entry = {"about": entry} if isinstance(entry, str) else entry
    usual = {"given": "payload"} if group == APPS else {}
    return usual | entry | {"warnings": tuple(entry.get("warnings", ()))}


def of_groups(*groups):
    return [case for case in cases() if case.group in groups]
