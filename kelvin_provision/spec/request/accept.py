"""Requests into accepted workloads: the body of the platform's `POST /workloads/deploy`, accepted or refused as a whole.

Pure but for generated names and the question whether a secret exists. All findings of all documents are raised in one error.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.spec.enums import NAME_LENGTH, Method
from kelvin_provision.spec.images import slots
from kelvin_provision.spec.read.findings import Document, Finding, Findings, quoted, refuse, refuse_all, type_of
from kelvin_provision.spec.request.additional_images import additional_images, warn_of_texts
from kelvin_provision.spec.request.app_manifest import App, app_of
from kelvin_provision.spec.request.other_files import in_place_of_a_payload, in_place_of_a_request
from kelvin_provision.spec.request.rules import check_image, check_references, check_references_in_object, image_for, method_of
from kelvin_provision.spec.request.shapes import Body
from kelvin_provision.spec.request.validation import check_rest
from kelvin_provision.spec.workload import Spec

if TYPE_CHECKING:
    from kelvin_provision.spec.request.objects import Placed

__all__ = ["Accepted", "Defaults", "Document", "Finding", "accept"]

_SUFFIX_LENGTH = 12
_ALPHABET = string.ascii_lowercase + string.digits


def _random_suffix() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))


@dataclass(frozen=True)
class Defaults:
    """What this box adds to a request. `has_secret` gets the NAME of `<% secrets.NAME %>`."""

    registry: str | None
    cluster_name: str | None
    method: Method
    has_secret: Callable[[str], bool]
    allow_latest: bool = False
    namespace: str = "app"
    secrets_dir: str = "/etc/kelvin-provision/secrets"
    suffix: Callable[[], str] = _random_suffix


@dataclass(frozen=True)
class Accepted:
    """Workloads in the order of their documents, and warnings."""

    specs: tuple[Spec, ...]
    warnings: tuple[str, ...] = ()


def accept(documents: Sequence[Document], defaults: Defaults) -> Accepted:
    """Accepts all documents or none. Raises RequestRefused, or SecretMissing when nothing but secrets is missing."""
    if not documents:
        raise refuse([Finding("request", 0, "", "empty; expected at least one document")])
    all_findings = [Findings(document) for document in documents]
    if not all([_is_request(findings) for findings in all_findings]):  # noqa: C419  (all of them, for their findings)
        refuse_all(all_findings, defaults.secrets_dir)
    specs = [_Request(findings, defaults).spec() for findings in all_findings]
    origins: dict[str, Document] = {}
    for findings, spec in zip(all_findings, specs, strict=True):
        if spec.name in origins:
            message = f"duplicate name {quoted(spec.name)}, also in {_location(origins[spec.name])}; names must be unique"
            findings.add(("name",), message)
        elif spec.name:
            origins[spec.name] = findings.document
    refuse_all(all_findings, defaults.secrets_dir)
    return Accepted(tuple(specs), tuple(warning for findings in all_findings for warning in findings.warnings))


def _is_request(findings: Findings) -> bool:
    """False, with a finding, for a file of another kind."""
    value = findings.document.value
    what = in_place_of_a_request(value) if isinstance(value, dict) else ""
    if what:
        findings.add((), what)
    elif isinstance(value, dict) and isinstance(payload := value.get("payload"), dict) and (what := in_place_of_a_payload(payload)):
        findings.add(("payload",), what)
    return not what


def _location(document: Document) -> str:
    return f"{document.file}, document {document.number}" if document.number else document.file


class _Request:
    """One document on its way to a Spec. After an error it goes on, to find the others; the Spec is not used then."""

    def __init__(self, findings: Findings, defaults: Defaults) -> None:
        self.findings = findings
        self.defaults = defaults
        value = findings.document.value
        if not isinstance(value, dict):
            findings.add((), f"expected a mapping with app_name, app_version and so on, got {type_of(value)}")
        self.given: Mapping[str, Any] = {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else {}
        self.body = check_rest(Body, self.given, (), findings)

    def spec(self) -> Spec:
        body, findings, defaults = self.body, self.findings, self.defaults
        value = findings.document.value
        rest = {key: item for key, item in value.items() if key != "manifests"} if isinstance(value, dict) else value
        check_references(rest, defaults.has_secret, findings)
        app = app_of(body.payload or {}, ("payload",), findings)
        method = method_of(body, self._default_method(app), findings)
        objects = self._objects()
        app_name, app_version = self._app_name(app), self._app_version(app)
        name = body.name or ("" if "name" in self.given or not app_name else self._generated_name(app_name))
        image = "" if "manifests" in self.given else self._image(app, app_name, app_version, method)
        for path, obj in objects:
            check_references_in_object(obj, defaults.has_secret, findings, path)
            for slot in slots(obj):
                check_image(slot.image, (*path, *slot.path), method, findings, allow_latest=defaults.allow_latest)
        images = additional_images(body.images or (), method, findings, allow_latest=defaults.allow_latest)
        spec = Spec(
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
            images=images,
        )
        if method.staged:
            warn_of_texts(spec, objects, findings, allow_latest=defaults.allow_latest)
        return spec

    def _default_method(self, app: App) -> Method:
        """That of the app manifest counts where the request says nothing of it at all."""
        body, method = self.body, self.defaults.method
        if app.method in {None, method} or any(
            value is not None for value in (body.staged, body.pre_download, body.instantly_apply, body.deployment_type)
        ):
            return method
        place = ("payload", "defaults", "deployment", "deployment_type")
        self.findings.warn(
            place, f"{app.method} is used instead of {method}, the default of this box; to override it, set deployment_type in the request"
        )
        return app.method or method

    def _objects(self) -> tuple[Placed, ...]:
        if self.body.manifests is None:
            return ()
        if "payload" in self.given:
            self.findings.add(("manifests",), "manifests and payload are both given; give one of them")
        from kelvin_provision.spec.request.objects import objects_of  # most requests have none, and need no shapes of kinds

        return objects_of(self.body.manifests, ("manifests",), self.defaults.namespace, self.findings)

    def _app_name(self, app: App) -> str:
        """From the body, otherwise from the app manifest; plain objects need none and get the name of the workload."""
        self._warn_if_different("app_name", self.body.app_name, app.name)
        name = self.body.app_name or app.name or (self.body.name if self.body.manifests else None)
        if name is None and self._is_absent("app_name"):
            self.findings.add(("app_name",), "required field is missing; give the app's name here or in the payload")
        return name or ""

    def _app_version(self, app: App) -> str:
        self._warn_if_different("app_version", self.body.app_version, app.version)
        version = self.body.app_version or app.version
        if version is None and self._is_absent("app_version"):
            self.findings.add(("app_version",), "required field is missing; give the app's version here or in the payload")
        return version or ""

    def _is_absent(self, key: str) -> bool:
        """An invalid value has its own finding."""
        return key not in self.given and isinstance(self.findings.document.value, dict)

    def _warn_if_different(self, key: str, body: str | None, payload: str | None) -> None:
        if body and payload and body != payload:
            self.findings.warn((key,), f"{quoted(body)} is used; {quoted(payload)} in the payload is ignored")

    def _generated_name(self, app_name: str) -> str:
        prefix = app_name.lstrip(string.digits + "-") or "app"
        return f"{prefix[: NAME_LENGTH - _SUFFIX_LENGTH - 1].rstrip('-')}-{self.defaults.suffix()}"

    def _cluster_name(self) -> str:
        body, own_cluster = self.body, self.defaults.cluster_name
        if body.cluster_name and body.acp_name and body.cluster_name != body.acp_name:
            self.findings.warn(("acp_name",), f"{quoted(body.acp_name)} is ignored; {quoted(body.cluster_name)} in cluster_name is used")
        name = body.cluster_name or body.acp_name
        if name and own_cluster and name != own_cluster:
            key = "cluster_name" if body.cluster_name else "acp_name"
            self.findings.warn((key,), f"{quoted(name)} is not the name of this cluster, {quoted(own_cluster)}; it is stored as given")
        return name or own_cluster or ""

    def _image(self, app: App, app_name: str, app_version: str, method: Method) -> str:
        findings, allow_latest, uri = self.findings, self.defaults.allow_latest, ("payload", "image", "uri")
        if app.image is not None:
            return check_image(app.image, uri, method, findings, allow_latest=allow_latest, platform=True)
        if self.defaults.registry is None:
            findings.add(uri, "no image; set image.uri, or the setting registry")
            return ""
        image = image_for(self.defaults.registry, app_name, app_version, findings) if app_name and app_version else ""
        return check_image(image, ("app_version",), method, findings, allow_latest=allow_latest) if image else ""
