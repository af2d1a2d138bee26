"""The verbs of the API on plain JSON documents: get, list, watch, apply, patch, create, delete, logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.client import Client, Query, Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.labels import MANAGER
from kelvin_provision.spec.workload import Object

WATCH_SECONDS = 240
"""The server ends a watch after this time, and a followed log that is silent for longer breaks; both are opened again."""

PAGE_SIZE = 500
NO_LOG = "unable to retrieve container logs for "
"""The kubelet writes this error where the log should be, with a status of success."""

METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Api:
    """One cluster. Methods raise what `client.Client` raises. An object is sent to the namespace that it names; the argument is for one
    that names none.
    """

    def __init__(self, *, kubeconfig: Path, context: str | None) -> None:
        self._client = Client(kubeconfig=kubeconfig, context=context)

    # --- reading -----------------------------------------------------------------------------------

    def version(self) -> Object:
        return self._json("get", "/version")

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return None if it does not exist."""
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
        """Return all objects that match the label and field selectors, and the resourceVersion to watch from.

        Without a namespace: of all namespaces. With `metadata` the server sends metadata only, no contents of ConfigMaps and Secrets.
        """
        objects: list[Object] = []
        position, version = "", ""
        accept = METADATA_LIST if metadata else "application/json"
        while True:
            query = _query(labelSelector=selector, fieldSelector=fields, limit=str(PAGE_SIZE), **{"continue": position})
            page = self._json("get", self._path(api_version, kind, namespace), query, accept=accept)
            version = page["metadata"].get("resourceVersion", "")
            objects += [item | {"apiVersion": api_version, "kind": kind} for item in page.get("items") or ()]
            position = page["metadata"].get("continue") or ""
            if not position:
                return objects, version

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> list[str]:
        """Return the last lines of a container, or of its previous run."""
        query = _query(container=container, tailLines=str(lines), limitBytes="65536", previous="true" if previous else "")
        response = self._client.request("get", f"{self._path('v1', 'Pod', namespace, pod)}/log", query, accept="*/*")
        return [line for line in response.decode(errors="replace").splitlines() if not line.startswith(NO_LOG)]

    def log_stream(self, namespace: str, pod: str, container: str, *, tail: int | None, since: str, previous: bool, follow: bool) -> Watch:
        """Open a container's log, each line with its time; `since` has whole seconds."""
        query = _query(
            container=container, timestamps="true", tailLines="" if tail is None else str(tail), sinceTime=since,
            previous="true" if previous else "", follow="true" if follow else "",
        )  # fmt: skip
        path = f"{self._path('v1', 'Pod', namespace, pod)}/log"
        return self._client.stream(path, query, seconds=WATCH_SECONDS if follow else 0, accept="*/*")

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Raises Rejected `unknown-kind`."""
        return self._client.resource(api_version, kind).namespaced

    def plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        """Return the plural name, and whether the kind is namespaced. Raises Rejected `unknown-kind`."""
        resource = self._client.resource(api_version, kind)
        return resource.name, resource.namespaced

    def node_settings(self, node: str) -> Object:
        """The configuration that the kubelet of a node works with."""
        settings: Object = self._json("get", f"/api/v1/nodes/{node}/proxy/configz").get("kubeletconfig") or {}
        return settings

    def group_versions(self) -> list[str]:
        """Return the preferred version of every group of this server."""
        groups = self._json("get", "/apis").get("groups") or ()
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]

    def namespaced_kinds(self, group_version: str) -> list[str]:
        """Return the kinds of a group version that can be listed in a namespace."""
        path = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        resources = self._json("get", path).get("resources") or ()
        return sorted({item["kind"] for item in resources if item["namespaced"] and "/" not in item["name"] and "list" in item["verbs"]})

    @property
    def server(self) -> str:
        """The URL; empty before the first request."""
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
        """Watch changes after that resourceVersion; with `metadata` the server sends metadata only."""
        query = _query(
            watch="true", allowWatchBookmarks="true", resourceVersion=version, timeoutSeconds=str(WATCH_SECONDS),
            labelSelector=selector, fieldSelector=fields,
        )  # fmt: skip
        accept = METADATA_WATCH if metadata else "application/json"
        return self._client.stream(self._path(api_version, kind, namespace), query, seconds=WATCH_SECONDS, accept=accept)

    # --- changing ----------------------------------------------------------------------------------

    def apply(self, value: Object, namespace: str, *, force: bool, dry_run: bool = False, manager: str = MANAGER) -> Object:
        """Server-side apply, by default with our field manager. Returns the resulting object, also of a dry run."""
        api_version, kind, name = value["apiVersion"], value["kind"], value["metadata"]["name"]
        body = value
        if not self.namespaced(api_version, kind):
            body = value | {"metadata": {key: item for key, item in value["metadata"].items() if key != "namespace"}}
        query = _query(fieldManager=manager, force="true" if force else "false", dryRun="All" if dry_run else "")
        path = self._path(api_version, kind, _namespace(value, namespace), name)
        return self._json("patch", path, query, body=body, content_type="application/apply-patch+yaml")

    def patch(self, value: Object, namespace: str, *, manager: str = MANAGER) -> None:
        """Send a JSON merge patch, in which None removes a field. The fields do not belong to what we apply, so an apply keeps them."""
        path = self._path(value["apiVersion"], value["kind"], _namespace(value, namespace), value["metadata"]["name"])
        self._json("patch", path, _query(fieldManager=manager), body=value, content_type="application/merge-patch+json")

    def json_patch(self, value: Object, namespace: str, steps: Sequence[Object], *, dry_run: bool = False) -> Object:
        """Send a JSON patch (RFC 6902). Returns the resulting object, also of a dry run."""
        path = self._path(value["apiVersion"], value["kind"], _namespace(value, namespace), value["metadata"]["name"])
        query = _query(fieldManager=MANAGER, dryRun="All" if dry_run else "")
        return self._json("patch", path, query, body=list(steps), content_type="application/json-patch+json")

    def create(self, value: Object, namespace: str, *, dry_run: bool = False) -> Object:
        path = self._path(value["apiVersion"], value["kind"], _namespace(value, namespace))
        return self._json("post", path, _query(fieldManager=MANAGER, dryRun="All" if dry_run else ""), body=value)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None, *, uid: str = "", grace: int | None = None) -> bool:
        """Delete an object, and its dependents in the background. Returns False if it does not exist.

        With `uid`, an object that was created again under the same name is not deleted. `grace` overrides a pod's grace period.
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

    def take_warnings(self) -> tuple[str, ...]:
        """See `Client.take_warnings`."""
        return self._client.take_warnings()

    def invalidate_discovery(self) -> None:
        """Discover kinds again: a CustomResourceDefinition was added or removed."""
        self._client.invalidate_discovery()

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        resource = self._client.resource(api_version, kind)
        return resource.path(name=name, namespace=namespace)

    def _json(self, method: str, path: str, query: Query = (), **options: Any) -> Object:
        document = json.loads(self._client.request(method, path, query, **options))
        return document if isinstance(document, dict) else {}


def _namespace(value: Object, default: str) -> str:
    return (value.get("metadata") or {}).get("namespace") or default


def _query(**parameters: str) -> list[tuple[str, str]]:
    """Leave out empty parameters."""
    return [(name, value) for name, value in parameters.items() if value]
