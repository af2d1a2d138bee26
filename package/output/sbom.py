"""What is in a package, as CycloneDX in JSON, and the SHA-256 of every file in `dist`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from package.inputs.cache import sha256
from package.inputs.source import Source
from package.tree.licences import Component

SUMS = "SHA256SUMS"


def write(components: Iterable[Component], source: Source, architecture: str, dist: Path) -> Path:
    """Beside the packages; in them is the same list as texts (documents.copyright_file)."""
    made = dist / f"kelvin-provision-{source.version}-{architecture}.cdx.json"
    made.write_text(json.dumps(document(components, source, architecture), indent=1) + "\n", "utf-8")
    return made


def document(components: Iterable[Component], source: Source, architecture: str) -> Mapping[str, Any]:
    """Named and dated after the commit, so that it is the same from every build."""
    own = f"pkg:generic/kelvin-provision@{quote(source.version)}?arch={architecture}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{own}#{source.commit}')}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(source.epoch)),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "kelvin-provision",
                "version": source.version,
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "properties": [{"name": "commit", "value": source.commit}],
            },
        },
        "components": [_component(each, architecture) for each in components],
    }


def _component(each: Component, architecture: str) -> Mapping[str, Any]:
    purl = _purl(each, architecture)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": each.name,
        "version": each.version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": each.sha256}],
        "licenses": [{"license": {"name": each.licence}}],
        "properties": [{"name": "file", "value": each.file}, *({"name": "licence text", "value": text} for text in each.texts)],
    }


def _purl(each: Component, architecture: str) -> str:
    version = quote(each.version, safe="")
    if each.kind == "deb":
        return f"pkg:deb/debian/{quote(each.name)}@{version}?arch={architecture}&distro=bookworm"
    return f"pkg:pypi/{each.name.lower().replace('_', '-')}@{version}"


def write_sums(dist: Path) -> Path:
    """As sha256sum writes them and `sha256sum --check` reads them."""
    files = sorted(path for path in dist.iterdir() if path.is_file() and path.name != SUMS)
    (dist / SUMS).write_text("".join(f"{sha256(path)}  {path.name}\n" for path in files), "utf-8")
    return dist / SUMS
