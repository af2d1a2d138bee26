"""Requests into accepted workloads: the body of the platform's `POST /workloads/deploy`, checked whole or refused whole.

Pure but for the names it makes up and the secrets it asks for. Every finding of every document is raised in one error.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.spec.enums import NAME_LENGTH, Method
from kelvin_provision.spec.images import slots
from kelvin_provision.spec.read.findings import Document, Finding, Findings, kind_of, refuse, refuse_all, shown
from kelvin_provision.spec.request.app_manifest import App, app_of
from kelvin_provision.spec.request.objects import Placed, objects_of
from kelvin_provision.spec.request.rules import check_image, check_references, image_for, method_of
from kelvin_provision.spec.request.shapes import Body
from kelvin_provision.spec.request.validation import check_rest
from kelvin_provision.spec.workload import Spec

__all__ = ["Accepted", "Defaults", "Document", "Finding", "accept"]

_UNIQUE = 12
_LETTERS = string.ascii_lowercase + string.digits


def _unique() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_UNIQUE))


@dataclass(frozen=True)
class Defaults:
    """What this box adds to a request. `has_secret` is asked for NAME of `<% secrets.NAME %>`."""

    registry: str | None
    cluster_name: str | None
    method: Method
    has_secret: Callable[[str], bool]
    allow_latest: bool = False
    namespace: str = "app"
    secrets_dir: str = "/etc/kelvin-provision/secrets"
    unique: Callable[[], str] = _unique


@dataclass(frozen=True)
class Accepted:
    """Workloads in the order of their documents, and what is odd about them without being wrong."""

    specs: tuple[Spec, ...]
    warnings: tuple[str, ...] = ()


def accept(documents: Sequence[Document], defaults: Defaults) -> Accepted:
    """All of them or none: raises RequestRefused, or SecretMissing when nothing but secrets is missing."""
    if not documents:
        raise refuse([Finding("request", 0, "", "empty; right is at least one document")])
    gathered = [Findings(document) for document in documents]
    specs = [_Request(findings, defaults).spec() for findings in gathered]
    places: dict[str, Finding] = {}
    for findings, spec in zip(gathered, specs, strict=True):
        if spec.name in places:
            other = places[spec.name]
            findings.add(("name",), f"{shown(spec.name)} is the name of {_where(other)} too; right is each name once")
        elif spec.name:
            places[spec.name] = findings.at((), "")
    refuse_all(gathered, defaults.secrets_dir)
    return Accepted(tuple(specs), tuple(warning for findings in gathered for warning in findings.warnings))


def _where(place: Finding) -> str:
    return f"{place.file}, document {place.document}" if place.document else place.file


class _Request:
    """One document on its way to a Spec; with findings the Spec is worth nothing, but more findings come with it."""

    def __init__(self, findings: Findings, defaults: Defaults) -> None:
        self.findings = findings
        self.defaults = defaults
        value = findings.document.value
        if not isinstance(value, dict):
            findings.add((), f"expected a mapping with app_name, app_version and so on, got {kind_of(value)}")
        self.given: Mapping[str, Any] = {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else {}
        self.body = check_rest(Body, self.given, (), findings)

    def spec(self) -> Spec:
        """The workload that the document describes."""
        body, findings, defaults = self.body, self.findings, self.defaults
        check_references(findings.document.value, defaults.has_secret, findings)
        method = method_of(body, defaults.method, findings)
        app = app_of(body.payload or {}, ("payload",), findings)
        objects = self._objects()
        app_name, app_version = self._app_name(app), self._app_version(app)
        name = body.name or ("" if "name" in self.given or not app_name else self._made_up(app_name))
        image = "" if "manifests" in self.given else self._image(app, app_name, app_version, method)
        for place, obj in objects:
            for slot in slots(obj):
                check_image(slot.image, (*place, *slot.path), method, findings, allow_latest=defaults.allow_latest)
        return Spec(
            name=name,
            title=body.title or app.title or name,
            app_name=app_name,
            app_version=app_version,
            cluster_name=self._cluster_name(),
            method=method,
            image=image,
            system=app.system,
            configuration=app.configuration,
            payload=body.payload or {},
            manifests=tuple(obj for _, obj in objects),
            node_name=body.node_name or None,
            source=body.source,
        )

    def _objects(self) -> tuple[Placed, ...]:
        if self.body.manifests is None:
            return ()
        if "payload" in self.given:
            self.findings.add(("manifests",), "given beside payload; right is one of the two")
        return objects_of(self.body.manifests, ("manifests",), self.defaults.namespace, self.findings)

    def _app_name(self, app: App) -> str:
        """The body's, else the app manifest's; plain objects may go without and are named like the workload."""
        self._compare("app_name", self.body.app_name, app.name)
        name = self.body.app_name or app.name or (self.body.name if self.body.manifests else None)
        if name is None and self._silent("app_name"):
            self.findings.add(("app_name",), "missing; right is the app's name, here or in the payload")
        return name or ""

    def _app_version(self, app: App) -> str:
        self._compare("app_version", self.body.app_version, app.version)
        version = self.body.app_version or app.version
        if version is None and self._silent("app_version"):
            self.findings.add(("app_version",), "missing; right is the app's version, here or in the payload")
        return version or ""

    def _silent(self, key: str) -> bool:
        """Whether a key is absent, rather than given wrongly, which has its own finding."""
        return key not in self.given and isinstance(self.findings.document.value, dict)

    def _compare(self, key: str, body: str | None, payload: str | None) -> None:
        if body and payload and body != payload:
            self.findings.warn((key,), f"{shown(body)} is used, not {shown(payload)} of the payload")

    def _made_up(self, app_name: str) -> str:
        start = app_name.lstrip(string.digits + "-") or "app"
        return f"{start[: NAME_LENGTH - _UNIQUE - 1].rstrip('-')}-{self.defaults.unique()}"

    def _cluster_name(self) -> str:
        body, ours = self.body, self.defaults.cluster_name
        if body.cluster_name and body.acp_name and body.cluster_name != body.acp_name:
            self.findings.warn(("acp_name",), f"{shown(body.acp_name)} is not used, {shown(body.cluster_name)} of cluster_name is")
        name = body.cluster_name or body.acp_name
        if name and ours and name != ours:
            key = "cluster_name" if body.cluster_name else "acp_name"
            self.findings.warn((key,), f"{shown(name)} is not this cluster, which is {shown(ours)}; the name is kept")
        return name or ours or ""

    def _image(self, app: App, app_name: str, app_version: str, method: Method) -> str:
        findings, allow, uri = self.findings, self.defaults.allow_latest, ("payload", "image", "uri")
        if app.image is not None:
            return check_image(app.image, uri, method, findings, allow_latest=allow, platform=True)
        if self.defaults.registry is None:
            findings.add(uri, "no image: neither image.uri nor the setting registry is given; right is to set one of them")
            return ""
        image = image_for(self.defaults.registry, app_name, app_version, findings) if app_name and app_version else ""
        return check_image(image, ("app_version",), method, findings, allow_latest=allow) if image else ""
