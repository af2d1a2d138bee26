"""A cache of live objects that watch events keep up to date, as in client-go. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class WatchEvent:
    """A reflector's message about one kind. Exactly one of the other fields is set.

    `listed`: all objects. `changed`: type and object of an event. `unreachable`: why the server cannot be reached at the moment.
    `error`: why the reflector has ended.
    """

    kind: str
    listed: tuple[Object, ...] | None = None
    changed: tuple[str, Object] | None = None
    unreachable: str = ""
    error: Exception | None = None


@dataclass
class Store:
    """Objects by kind and name; a kind is watched in one namespace only."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    removed: dict[str, dict[str, Object]] = field(default_factory=dict)
    """The last state of objects that are gone."""

    def apply(self, event: WatchEvent) -> None:
        """Raises the event's error."""
        if event.error is not None:
            raise event.error
        if event.unreachable:
            self.unreachable[event.kind] = event.unreachable
            return
        self.unreachable.pop(event.kind, None)
        if event.listed is not None:
            before, now = self.objects.get(event.kind, {}), {item["metadata"]["name"]: item for item in event.listed}
            self.removed.setdefault(event.kind, {}).update({name: item for name, item in before.items() if name not in now})
            self.objects[event.kind] = now
        if event.changed is not None:
            change, item = event.changed
            objects = self.objects.setdefault(event.kind, {})
            if change == "DELETED":
                objects.pop(item["metadata"]["name"], None)
                self.removed.setdefault(event.kind, {})[item["metadata"]["name"]] = {"kind": event.kind} | item
            else:
                objects[item["metadata"]["name"]] = {"kind": event.kind} | item

    def get(self, kind: str, name: str) -> Object | None:
        return self.objects.get(kind, {}).get(name)

    def last(self, kind: str, name: str) -> Object | None:
        """The object, or its last state if it is gone; None if it was never seen."""
        return self.get(kind, name) or self.removed.get(kind, {}).get(name)

    def is_listed(self, kind: str) -> bool:
        """Whether all objects of the kind have been read once."""
        return kind in self.objects

    def all(self, kind: str) -> list[Object]:
        return list(self.objects.get(kind, {}).values())
