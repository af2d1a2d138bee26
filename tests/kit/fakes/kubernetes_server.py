"""The objects of an API server in memory, for what changes them: namespaces, selectors, finalizers, and a crash at any request."""

import copy
import itertools

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, WebhookFailed

CLUSTER_KINDS = {"Namespace", "Node", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ValidatingWebhookConfiguration"}


class Crash(Exception):
    """The process ends here."""


class MemoryApi:
    """`requests` are changes in their order. `crash_at`: the number of the request, counted from 0, before which the process ends.

    `releases` decides whether the finalizers of a deleted object are removed: by its controller, if that is there. While there is a
    webhook configuration, `checked` kinds are accepted only if `answers` says that its pods are up.
    """

    def __init__(self, *namespaces):
        self.objects, self.requests, self.served = {}, [], set()
        self.crash_at, self.releases = None, lambda item: True
        self.checked, self.answers = set(), lambda: True
        self._uids, self._count = itertools.count(1), 0
        for name in namespaces:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "")
        self.requests.clear()

    # --- as api.verbs.Api --------------------------------------------------------------------------

    def namespaced(self, version, kind):
        return kind not in CLUSTER_KINDS

    def take_warnings(self):
        return ()

    def get(self, version, kind, name, namespace=None):
        self._enter()
        self._settle()
        return copy.deepcopy(self.objects.get(self._key(kind, name, namespace)))

    def list_objects(self, version, kind, namespace, selector="", fields="", *, metadata=False):
        self._enter()
        self._settle()
        self._must_serve(version, kind)
        return [
            copy.deepcopy(item)
            for (its_kind, place, _), item in self.objects.items()
            if its_kind == kind and (namespace is None or place in {"", namespace}) and selects(selector, item)
        ]

    def apply(self, item, namespace, *, force, dry_run=False, manager=""):
        self._enter()
        key = self._key(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace") or namespace)
        if key[1] and self._key("Namespace", key[1], None) not in self.objects:
            raise Rejected("namespace-missing", f"namespaces {key[1]} not found")
        self._ask_webhook(key)
        self.requests.append(f"apply {self._name(key)}")
        old = self.objects.get(key, {"metadata": {"uid": f"uid-{next(self._uids)}"}})
        metadata = {**item["metadata"], "uid": old["metadata"]["uid"]}
        self.objects[key] = copy.deepcopy({**item, "metadata": metadata})
        if item["kind"] == "CustomResourceDefinition":
            self.objects[key]["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
        return copy.deepcopy(self.objects[key])

    def create(self, item, namespace, *, dry_run=False):
        return self.apply(item, namespace, force=False)

    def patch(self, item, namespace, *, manager=""):
        self._enter()
        key = self._key(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace") or namespace)
        self.requests.append(f"patch {self._name(key)}")
        self.objects[key].setdefault("spec", {}).update(item.get("spec") or {})

    def delete(self, version, kind, name, namespace, *, uid="", grace=None):
        self._enter()
        key = self._key(kind, name, namespace)
        if key not in self.objects:
            return False
        assert self.objects[key]["metadata"]["uid"] == uid
        self._ask_webhook(key)
        self.requests.append(f"delete {self._name(key)}")
        self.objects[key]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
        self._settle()
        return True

    def invalidate_discovery(self):
        pass

    def group_versions(self):
        return ["v1"]

    def namespaced_kinds(self, group_version):
        return sorted({kind for kind, place, _ in self.objects if place})

    # --- for tests ---------------------------------------------------------------------------------

    @property
    def names(self):
        """`Kind/name`, or `Kind/namespace/name`, of everything."""
        return sorted(map(self._name, self.objects))

    def crash_after(self, requests):
        self.crash_at = self._count + requests

    def add(self, kind, name, namespace="", **metadata):
        self.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}, namespace)

    def _enter(self):
        if self.crash_at is not None and self._count >= self.crash_at:
            raise Crash
        self._count += 1

    def _must_serve(self, version, kind):
        for (its_kind, _, _), item in self.objects.items():
            spec = item.get("spec") or {}
            if its_kind == "CustomResourceDefinition" and (spec["group"], spec["names"]["kind"]) == (version.partition("/")[0], kind):
                served = [entry["name"] for entry in spec["versions"] if entry.get("served", True) and item["status"]["conditions"]]
                if version.partition("/")[2] not in served:
                    raise Rejected("unknown-kind", f"the server has no {kind} in {version}")

    def _ask_webhook(self, key):
        if key[0] in self.checked and any(kind == "ValidatingWebhookConfiguration" for kind, _, _ in self.objects) and not self.answers():
            raise WebhookFailed(f"failed calling webhook for {self._name(key)}")

    def _settle(self):
        """Deleted objects go when they have no finalizers left; a namespace takes all that lies in it along."""
        for key, item in list(self.objects.items()):
            if item["metadata"].get("deletionTimestamp") and item["metadata"].get("finalizers") and self.releases(item):
                item["metadata"]["finalizers"] = []
            if item["metadata"].get("deletionTimestamp") and not item["metadata"].get("finalizers"):
                del self.objects[key]
                if key[0] == "Namespace":
                    self.objects = {other: item for other, item in self.objects.items() if other[1] != key[2]}

    @staticmethod
    def _key(kind, name, namespace):
        return kind, "" if kind in CLUSTER_KINDS else namespace, name

    @staticmethod
    def _name(key):
        return "/".join(filter(None, key))


def selects(selector, item):
    """Equality and absence, as label selectors have them."""
    labels = item["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, is_equality, value = term.partition("=")
        if (is_equality and labels.get(name) != value) or (name.startswith("!") and name[1:] in labels):
            return False
        if not is_equality and not name.startswith("!") and name not in labels:
            return False
    return True
