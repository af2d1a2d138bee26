"""Rules that involve several values of a request: the method, the images, the references to secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.findings import Findings, Path, quoted, type_of
from kelvin_provision.spec.references import REFERENCE
from kelvin_provision.spec.request.shapes import Body
from kelvin_provision.spec.workload import Object

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# stops at the next `<%`, so that many of them without an end are no slower than one
_ANY_REFERENCE = re.compile(r"<%(?:[^<%]|<(?!%)|%(?!>))*+%>")

_NAMED_REFERENCE = re.compile(r"<%\s*[A-Za-z_]+\.[^\s<%]*\s*%>")


def method_of(body: Body, default: Method, findings: Findings) -> Method:
    """The method that the booleans or `deployment_type` request; what they leave open is taken from the default of this box."""
    key, staged = ("staged", body.staged) if body.staged is not None else ("pre_download", body.pre_download)
    if body.staged is not None and body.pre_download not in {None, body.staged}:
        findings.add(("pre_download",), f"contradicts staged: {quoted(body.staged)}; remove pre_download, the older name")
    instant = body.instantly_apply
    if staged is False and instant is False:
        findings.add(("instantly_apply",), "staged and instantly_apply are both false, so nothing would be done; set one of them to true")
        return default
    if body.deployment_type is not None:
        method = Method(body.deployment_type)
        for name, given, implied in ((key, staged, method.staged), ("instantly_apply", instant, method.instantly_apply)):
            if given not in {None, implied}:
                findings.add((name,), f"contradicts deployment_type {method}; set it to {quoted(implied)}, or remove it")
        return method
    # of the methods that fit the request, the one that is most like the default of this box
    by_similarity = sorted(Method, key=lambda method: (method is not default, method.staged != default.staged))
    return next(method for method in by_similarity if staged in {None, method.staged} and instant in {None, method.instantly_apply})


def image_for(registry: str, app_name: str, app_version: str, findings: Findings) -> str:
    """`<registry>/<app_name>:<app_version>`, or empty with a finding. A version may contain `+`, a tag may not."""
    tag = app_version.replace("+", "_")
    if not _TAG.fullmatch(tag):
        accepted = "letters, digits, '.', '_', '-' and '+', beginning with a letter or digit"
        findings.add(("app_version",), f"{quoted(app_version)} is not a valid image tag; accepted are {accepted}")
        return ""
    return f"{registry.rstrip('/')}/{app_name}:{tag}"


def check_image(image: Any, path: Path, method: Method, findings: Findings, *, allow_latest: bool, platform: bool = False) -> str:
    """The complete reference, or empty with a finding. `platform`: image.uri, for which `latest` is refused with every method."""
    try:
        reference = Reference.parse(image) if isinstance(image, str) else None
    except ReferenceInvalid:
        reference = None
    if reference is None:
        actual = "" if isinstance(image, str) else f", got {type_of(image)}"
        findings.add(path, f"not an image reference{actual}; expected host[:port]/path[:tag][@sha256:digest]")
        return ""
    if reference.mutable and not allow_latest and (method.staged or (platform and reference.tag == "latest")):
        tag = "latest" if reference.tag else "no tag"
        findings.add(path, f"{quoted(reference.name)} with {tag} is a tag that can move; use a version or a digest, or --allow-latest")
    return str(reference)


def check_references(
    value: Any, has_secret: Callable[[str], bool], findings: Findings, path: Path = (), pattern: re.Pattern[str] = _ANY_REFERENCE
) -> None:
    """Each `<% ... %>` must be a secret of this box. Text volumes are left alone: their content is a file of the app."""
    if isinstance(value, str):
        for reference in pattern.findall(value):
            kind, _, name = _name_in(reference).partition(".")
            if kind != "secrets":
                findings.add(path, "unknown kind of reference; only <% secrets.NAME %> is supported")
            elif not has_secret(name):
                findings.add_missing(path, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _is_text_volume(path):
                check_references(item, has_secret, findings, (*path, key), pattern)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check_references(item, has_secret, findings, (*path, number), pattern)


def check_references_in_object(obj: Object, has_secret: Callable[[str], bool], findings: Findings, path: Path) -> None:
    """Objects hold texts of other template engines (EJS has the same brackets), which stay as they are; a ConfigMap is never filled."""
    if obj.get("kind") != "ConfigMap":
        check_references(obj, has_secret, findings, path, _NAMED_REFERENCE)


def _is_text_volume(path: Path) -> bool:
    return path[-1:] == ("text",) and path[-3:-2] == ("volumes",) and "system" in path


def _name_in(reference: str) -> str:
    match = REFERENCE.fullmatch(reference)
    return match[1] if match else ""
