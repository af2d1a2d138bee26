"""Kubernetes' verbs on plain JSON documents: get, list, watch, apply, create, delete, logs. Knows paths, not transport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.client import Client, Query, Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.labels import MANAGER
from kelvin_provision.spec.workload import Object

WATCH = 240
"""Seconds that one watch lives on the server before it is listed again."""

PAGE = 500
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Api:
    """One cluster. Raises what `client.Client` raises."""

    def __init__(self, *, kubeconfig: Path | None, context: str | None) -> None:
        self._client = Client(kubeconfig=kubeconfig, context=context)

    # --- reading -----------------------------------------------------------------------------------

    def version(self) -> Object:
        """What the server says of itself, asked anew."""
        return self._json("get", "/version")

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None."""
        try:
            return self._json("get", self._path(api_version, kind, namespace, name))
        except Rejected as error:
            if error.code in {"missing", "namespace-missing"}:
                return None
            raise

    def list_objects(
        self, api_version: str, kind: str, namespace: str | None, selector: str = "", fields: str = "", *, metadata: bool = False
    ) -> list[Object]:
        """See `list_for_watch`."""
        return self.list_for_watch(api_version, kind, namespace, selector, fields, metadata=metadata)[0]

    def list_for_watch(
        self, api_version: str, kind: str, namespace: str | None, selector: str = "", fields: str = "", *, metadata: bool = False
    ) -> tuple[list[Object], str]:
        """All objects that match the label and field selectors, and the resourceVersion to watch from. No namespace: all of them.

        With `metadata` the server sends nothing else: no contents of ConfigMaps and Secrets.
        """
        found: list[Object] = []
        more, version = "", ""
        while True:
            asked = _query(labelSelector=selector, fieldSelector=fields, limit=str(PAGE), **{"continue": more})
            page = self._json("get", self._path(api_version, kind, namespace), asked, accept=METADATA if metadata else "application/json")
            version = page["metadata"].get("resourceVersion", "")
            found += [item | {"apiVersion": api_version, "kind": kind} for item in page.get("items") or ()]
            more = page["metadata"].get("continue") or ""
            if not more:
                return found, version

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> list[str]:
        """The last lines of a container, or of the one before it."""
        asked = _query(container=container, tailLines=str(lines), limitBytes="65536", previous="true" if previous else "")
        text = self._client.request("get", f"{self._path('v1', 'Pod', namespace, pod)}/log", asked, accept="*/*").decode(errors="replace")
        return text.splitlines()

    def log_stream(self, namespace: str, pod: str, container: str, *, tail: int | None, since: str, previous: bool, follow: bool) -> Watch:
        """A container's log as it comes, each line with its time; `since` in whole seconds. A silence of some minutes ends it."""
        asked = _query(
            container=container, timestamps="true", tailLines="" if tail is None else str(tail), sinceTime=since,
            previous="true" if previous else "", follow="true" if follow else "",
        )  # fmt: skip
        path = f"{self._path('v1', 'Pod', namespace, pod)}/log"
        return self._client.stream(path, asked, seconds=WATCH if follow else 0, accept="*/*")

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind live in a namespace. Raises Refused `unknown-kind`."""
        return bool(self._client.resource(api_version, kind).namespaced)

    def plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        """What the kind is called in paths and rights, and whether it lives in a namespace. Raises Refused `unknown-kind`."""
        found = self._client.resource(api_version, kind)
        return str(found.name), bool(found.namespaced)

    @property
    def server(self) -> str:
        """Its address, once it was asked something."""
        return self._client.server

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        version: str,
        *,
        selector: str = "",
        fields: str = "",
        metadata: bool = False,
    ) -> Watch:
        """What happens to a kind from a version on; with `metadata`, nothing but that crosses the wire."""
        asked = _query(
            watch="true", allowWatchBookmarks="true", resourceVersion=version, timeoutSeconds=str(WATCH),
            labelSelector=selector, fieldSelector=fields,
        )  # fmt: skip
        accept = METADATA_WATCH if metadata else "application/json"
        return self._client.stream(self._path(api_version, kind, namespace), asked, seconds=WATCH, accept=accept)

    # --- changing ----------------------------------------------------------------------------------

    def apply(self, value: Object, namespace: str, *, force: bool, dry_run: bool = False) -> Object:
        """Server-side apply under our name; the object as it is afterwards, or would be."""
        api_version, kind, name = value["apiVersion"], value["kind"], value["metadata"]["name"]
        sent = value
        if not self.namespaced(api_version, kind):
            sent = value | {"metadata": {key: item for key, item in value["metadata"].items() if key != "namespace"}}
        asked = _query(fieldManager=MANAGER, force="true" if force else "false", dryRun="All" if dry_run else "")
        path = self._path(api_version, kind, namespace, name)
        return self._json("patch", path, asked, body=sent, content_type="application/apply-patch+yaml")

    def patch(self, value: Object, namespace: str) -> None:
        """Merge these fields into an object that is there; None takes one away. Under our name, but not owned by our applies."""
        path = self._path(value["apiVersion"], value["kind"], namespace, value["metadata"]["name"])
        self._json("patch", path, _query(fieldManager=MANAGER), body=value, content_type="application/merge-patch+json")

    def edit(self, value: Object, namespace: str, steps: Sequence[Object], *, dry_run: bool = False) -> Object:
        """Change an object that is there by a JSON patch (RFC 6902); what is removed is nobody's afterwards."""
        path = self._path(value["apiVersion"], value["kind"], namespace, value["metadata"]["name"])
        asked = _query(fieldManager=MANAGER, dryRun="All" if dry_run else "")
        return self._json("patch", path, asked, body=list(steps), content_type="application/json-patch+json")

    def create(self, value: Object, namespace: str, *, dry_run: bool = False) -> Object:
        """A new object."""
        path = self._path(value["apiVersion"], value["kind"], namespace)
        return self._json("post", path, _query(fieldManager=MANAGER, dryRun="All" if dry_run else ""), body=value)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None, *, uid: str = "", grace: int | None = None) -> bool:
        """Take an object away; what it owns follows in the background. False when it was not there.

        With `uid` only that very object; `grace` are the seconds that a pod has, if not those that it names itself.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self._json("delete", self._path(api_version, kind, namespace, name), body=options)
        except Rejected as error:
            if error.code in {"missing", "namespace-missing", "unknown-kind"}:
                return False
            raise
        return True

    def invalidate_discovery(self) -> None:
        """A CustomResourceDefinition was added or removed."""
        self._client.invalidate_discovery()

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        resource = self._client.resource(api_version, kind)
        return str(resource.path(name=name, namespace=namespace if resource.namespaced else None))

    def _json(self, method: str, path: str, query: Query = (), **more: Any) -> Object:
        found = json.loads(self._client.request(method, path, query, **more))
        return found if isinstance(found, dict) else {}


def _query(**given: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in given.items() if value]
