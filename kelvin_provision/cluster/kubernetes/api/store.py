"""A cache of live objects that watch events keep up to date, as in client-go. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class WatchEvent:
    """A reflector's message about one kind in one namespace (empty: in all). Exactly one of the other fields is set.

    `listed`: all objects. `changed`: type and object of an event. `unreachable`: why the server cannot be reached at the moment.
    `error`: why the reflector has ended.
    """

    kind: str
    listed: tuple[Object, ...] | None = None
    changed: tuple[str, Object] | None = None
    unreachable: str = ""
    error: Exception | None = None
    namespace: str = ""


@dataclass
class Store:
    """Objects by kind and watched namespace, then by their own namespace and name."""

    objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = field(default_factory=dict)
    unreachable: dict[tuple[str, str], str] = field(default_factory=dict)
    removed: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    """The last state of objects that are gone, by kind, namespace and name."""

    def apply(self, event: WatchEvent) -> None:
        """Raises the event's error."""
        if event.error is not None:
            raise event.error
        watched = (event.kind, event.namespace)
        if event.unreachable:
            self.unreachable[watched] = event.unreachable
            return
        self.unreachable.pop(watched, None)
        if event.listed is not None:
            before, now = self.objects.get(watched, {}), {_key(item): item for item in event.listed}
            self.removed.update({(event.kind, *key): item for key, item in before.items() if key not in now})
            self.objects[watched] = now
        if event.changed is not None:
            change, item = event.changed
            objects = self.objects.setdefault(watched, {})
            if change == "DELETED":
                objects.pop(_key(item), None)
                self.removed[event.kind, *_key(item)] = {"kind": event.kind} | item
            else:
                objects[_key(item)] = {"kind": event.kind} | item

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        known = (objects.get((namespace, name)) for (its_kind, _), objects in self.objects.items() if its_kind == kind)
        return next((item for item in known if item is not None), None)

    def last(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """The object, or its last state if it is gone; None if it was never seen."""
        return self.get(kind, name, namespace) or self.removed.get((kind, namespace, name))

    def is_listed(self, kind: str, namespace: str = "") -> bool:
        """Whether all objects of the kind in the namespace have been read once; without a namespace: in any."""
        return any(its_kind == kind and (not namespace or watched in {namespace, ""}) for its_kind, watched in self.objects)

    def all(self, kind: str) -> list[Object]:
        return [item for (its_kind, _), objects in self.objects.items() if its_kind == kind for item in objects.values()]


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]
