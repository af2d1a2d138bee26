"""What ties several values of a request together: the method, the images, the references to secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.findings import Findings, Path, kind_of, shown
from kelvin_provision.spec.references import REFERENCE
from kelvin_provision.spec.request.shapes import Body

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# stops at the next beginning, so that many without an end take no longer than one
_ANY = re.compile(r"<%(?:[^<%]|<(?!%)|%(?!>))*+%>")


def method_of(body: Body, default: Method, findings: Findings) -> Method:
    """The one method that the booleans or `deployment_type` ask for; what they leave open is the box's default."""
    key, staged = ("staged", body.staged) if body.staged is not None else ("pre_download", body.pre_download)
    if body.staged is not None and body.pre_download not in {None, body.staged}:
        findings.add(("pre_download",), f"contradicts staged: {shown(body.staged)}; right is to leave out pre_download, the older name")
    instant = body.instantly_apply
    if staged is False and instant is False:
        findings.add(("instantly_apply",), "with staged: false there would be nothing to do; right is one of them true")
        return default
    if body.deployment_type is not None:
        method = Method(body.deployment_type)
        for place, said, means in ((key, staged, method.staged), ("instantly_apply", instant, method.instantly_apply)):
            if said not in {None, means}:
                findings.add((place,), f"contradicts deployment_type {method}; right is {shown(means)}, or to leave it out")
        return method
    # what is left open stays as near to the box's default as what was said allows
    near = sorted(Method, key=lambda method: (method is not default, method.staged != default.staged))
    return next(method for method in near if staged in {None, method.staged} and instant in {None, method.instantly_apply})


def image_for(registry: str, app_name: str, app_version: str, findings: Findings) -> str:
    """`<registry>/<app_name>:<app_version>`, or nothing with a finding. A `+` is legal in a version and not in a tag."""
    tag = app_version.replace("+", "_")
    if not _TAG.fullmatch(tag):
        right = "letters, digits, '.', '_', '-' and '+', beginning with a letter or digit"
        findings.add(("app_version",), f"{shown(app_version)} cannot be an image's tag; right are {right}")
        return ""
    return f"{registry.rstrip('/')}/{app_name}:{tag}"


def check_image(image: Any, path: Path, method: Method, findings: Findings, *, allow_latest: bool, platform: bool = False) -> str:
    """The reference in full, or nothing with a finding. `platform`: image.uri, where `latest` is refused for every method."""
    try:
        reference = Reference.parse(image) if isinstance(image, str) else None
    except ReferenceInvalid:
        reference = None
    if reference is None:
        got = "" if isinstance(image, str) else f", got {kind_of(image)}"
        findings.add(path, f"not an image reference{got}; right is host[:port]/path[:tag][@sha256:digest]")
        return ""
    if reference.mutable and not allow_latest and (method.staged or (platform and reference.tag == "latest")):
        tag = "latest" if reference.tag else "no tag"
        findings.add(path, f"{shown(reference.name)} with {tag} may change under its name; right is a version, a digest or --allow-latest")
    return str(reference)


def check_references(value: Any, has_secret: Callable[[str], bool], findings: Findings, path: Path = ()) -> None:
    """Every `<% ... %>` must be a secret that this box has. The content of text volumes is a file, not ours to fill in."""
    if isinstance(value, str):
        for reference in _ANY.findall(value):
            kind, _, name = _name_in(reference).partition(".")
            if kind != "secrets":
                findings.add(path, "a reference of a kind that is not filled in here; right is <% secrets.NAME %>")
            elif not has_secret(name):
                findings.add_missing(path, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _is_text_volume(path):
                check_references(item, has_secret, findings, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check_references(item, has_secret, findings, (*path, number))


def _is_text_volume(path: Path) -> bool:
    return path[-1:] == ("text",) and path[-3:-2] == ("volumes",) and "system" in path


def _name_in(reference: str) -> str:
    match = REFERENCE.fullmatch(reference)
    return match[1] if match else ""
