"""The volumes of an app manifest into values."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Sequence

from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.spec.read.findings import Findings, Path, quoted
from kelvin_provision.spec.references import REFERENCE, is_literal
from kelvin_provision.spec.request import system_shapes
from kelvin_provision.spec.workload import Volume

Placed = Sequence[tuple[Path, system_shapes.VolumeBlock]]


def volumes_of(checked: Placed, findings: Findings) -> tuple[Volume, ...]:
    """Values of the volumes with a valid shape. Names and targets must be unique among all of them."""
    names: set[str] = set()
    targets: set[str] = set()
    for place, item in checked:
        target = below_root(item.target)
        if target in targets:
            findings.add((*place, "target"), f"duplicate target {quoted(target)}; targets must be unique")
        if item.name in names:
            findings.add((*place, "name"), f"duplicate volume name {item.name}; names must be unique")
        targets.add(target)
        names.add(item.name or "")
    return tuple(_volume(place, item, names, findings) for place, item in checked)


def _volume(path: Path, item: system_shapes.VolumeBlock, names: set[str], findings: Findings) -> Volume:
    kind = VolumeKind(item.type)
    for other in VolumeKind:
        if other is not kind and getattr(item, other) is not None:
            findings.add((*path, other), f"not allowed with type {kind}; remove it")
    if kind is not VolumeKind.PERSISTENT and getattr(item, kind) is None:
        findings.add((*path, kind), f"required field is missing; type {kind} needs a mapping with {_CONTENT[kind]}")
    _check_path(item.target, (*path, "target"), findings)
    if item.host:
        _check_path(item.host.source, (*path, "host", "source"), findings)
    name = item.name or _named_after(item.target, names)
    if item.secret and is_literal(item.secret.value):
        warning = f"volume {name}: the secret is stored in the ledger with the request; use <% secrets.NAME %> instead"
        findings.warn((*path, "secret", "value"), warning)
    return Volume(
        name=name,
        kind=kind,
        target=below_root(item.target),
        data=_data(item.text, (*path, "text", "data"), findings) if item.text else "",
        secret=item.secret.value if item.secret else "",
        source=below_root(item.host.source) if item.host else "",
        mode=item.secret.mode if item.secret else "0644",
    )


_CONTENT = {VolumeKind.TEXT: "data", VolumeKind.HOST: "source", VolumeKind.SECRET: "value"}


def below_root(text: str) -> str:
    """Absolute and normalised. A target that does not begin with / is below the container's root, whatever its working directory."""
    return posixpath.normpath(f"/{text.lstrip('/')}")


def _check_path(text: str, path: Path, findings: Findings) -> None:
    """Kubernetes refuses `..` and, in a target, `:`. A volume at / would hide the image."""
    if ".." in text.split("/") or (path[-1] == "target" and (":" in text or below_root(text) == "/")):
        kind = "a" if path[-1] == "target" else "an absolute"
        findings.add(path, f"expected {kind} path without '..' and ':', below /, got {quoted(text)}")


def _named_after(target: str, names: set[str]) -> str:
    """A name that does not depend on the order of the list: a persistent volume is found by it after an update."""
    plain = re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-")[:40].strip("-")
    base = plain if plain[:1].isalpha() else f"volume-{plain}".strip("-")
    name, number = base, 1
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name


def _data(text: system_shapes.TextBlock, path: Path, findings: Findings) -> str:
    """The content of the file as base64."""
    try:
        data = base64.b64decode(text.data, validate=True) if text.base64 else text.data.encode(text.encoding)
    except UnicodeEncodeError:
        findings.add(path, f"has characters that {text.encoding} cannot encode; use another encoding")
        return ""
    except (binascii.Error, ValueError):
        findings.add(path, "invalid base64; expected base64 without line breaks, or base64: false")
        return ""
    if not text.base64 and REFERENCE.search(text.data):
        findings.add(path, "secrets are not filled into text volumes; use a volume of type secret")
    return base64.b64encode(data).decode("ascii")
