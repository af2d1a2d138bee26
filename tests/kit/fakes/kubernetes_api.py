"""An API server in memory for what lists and watches."""

import copy
import threading

from tests.kit.waiting import PATIENCE

LATE = ("ADDED", {"metadata": {"name": "late"}})


class ScriptedApi:
    """Lists what it was given; each watch ends as scripted, the last one lasts."""

    def __init__(self, endings=(), items=()):
        self.endings, self.given, self.lists = list(endings), list(items), 0

    def namespaced(self, version, kind):
        return True

    def list_for_watch(self, version, kind, namespace, selector, fields, *, metadata):
        self.lists += 1
        return [item for item in self.given if item["kind"] == kind], "1"

    def watch(self, version, kind, namespace, resource_version, *, selector, fields, metadata):
        ending = self.endings.pop(0) if self.endings else None
        return Lasting() if ending is None else Ending(ending)


class Lasting:
    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        self.closed.wait(PATIENCE)
        return iter(())

    def close(self):
        self.closed.set()


class Ending(Lasting):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def __iter__(self):
        yield "BOOKMARK", {}
        yield LATE
        raise self.error


class ObjectApi:
    """Keeps live objects; applies and creates by putting them there, a dry run by returning what would be there.

    `admission` is given each object that is sent and returns what the server makes of it, or raises Rejected. `calls` are the verbs that
    change something, with kind and name; `warnings` come with each answer to a change or a dry run.
    """

    def __init__(self, *live, admission=lambda item: item):
        self.live = {self._key(item): item for item in live}
        self.admission, self.calls, self.server = admission, [], "https://fake"
        self.warnings, self.warned = [], []

    @staticmethod
    def _key(item):
        return item["kind"], item["metadata"]["name"]

    def namespaced(self, version, kind):
        return kind not in {"Namespace", "Node"}

    def get(self, version, kind, name, namespace=None):
        if (kind, name) == ("Namespace", "app"):
            return {"kind": "Namespace", "metadata": {"name": "app"}}
        return self.live.get((kind, name))

    def list_objects(self, version, kind, namespace, selector="", fields="", *, metadata=False):
        label, compares, value = selector.partition("=")
        found = [item for item in self.live.values() if item["kind"] == kind]
        values = [(item, (item["metadata"].get("labels") or {}).get(label)) for item in found]
        return [item for item, has in values if not label or (has == value if compares else has is not None)]

    def apply(self, item, namespace, *, force, dry_run=False, manager=""):
        return self._put("apply", item, dry_run=dry_run)

    def create(self, item, namespace, *, dry_run=False):
        return self._put("create", item, dry_run=dry_run)

    def take_warnings(self):
        taken, self.warned = tuple(self.warned), []
        return taken

    def _put(self, verb, item, *, dry_run):
        self.warned += self.warnings
        outcome = self.admission(copy.deepcopy(item))
        if not dry_run:
            self.calls.append((verb, *self._key(item)))
            self.live[self._key(item)] = outcome
        return outcome

    def delete(self, version, kind, name, namespace, *, uid="", grace=None):
        self.calls.append(("delete", kind, name))
        return self.live.pop((kind, name), None) is not None
