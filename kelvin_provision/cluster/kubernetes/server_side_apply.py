"""Server-side apply of one object over the live one.

The server removes fields that we applied before and no longer apply. Servers before 1.21 leave the enclosing block, empty, and then
reject it: no probe can be removed, no variable can change from a secret to a plain value, and an update that added one can never be
undone. There we remove the blocks first, with the rollout paused, so that no pod is ever created from the half-way state.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.readiness import paused_by_us
from kelvin_provision.spec.workload import Object

_FIELD = re.compile(r"[^.\[\]]+")
PAUSABLE = frozenset({"Deployment"})
Path = tuple[str | int, ...]


def apply(api: Api, item: Object, live: Object | None, namespace: str, *, dry_run: bool = False) -> Object:
    """Return the resulting object, also of a dry run. Conflicts are forced, as the caller has checked that the live object is ours."""
    try:
        outcome = api.apply(item, namespace, force=live is not None, dry_run=dry_run)
    except Rejected as error:
        blocks = blocks_to_remove(live, item, error.fields) if live is not None else ()
        if live is None or not blocks:
            raise
        if dry_run:
            return api.json_patch(live, namespace, removals(blocks), dry_run=True)
        pause = [{"op": "add", "path": "/spec/paused", "value": True}] if item["kind"] in PAUSABLE else []
        api.json_patch(live, namespace, [*pause, *removals(blocks)])
        outcome = api.apply(item, namespace, force=True)
    if not dry_run and item["kind"] in PAUSABLE and paused_by_us(outcome):
        outcome = api.json_patch(outcome, namespace, [{"op": "remove", "path": "/spec/paused"}])
    return outcome


def removals(blocks: Collection[Path]) -> list[Object]:
    """Build a JSON patch (RFC 6902); its pointers escape `~` and `/`."""
    pointers = ["/".join(str(step).replace("~", "~0").replace("/", "~1") for step in block) for block in blocks]
    return [{"op": "remove", "path": f"/{pointer}"} for pointer in pointers]


def blocks_to_remove(live: Object, desired: Object, fields: Collection[str]) -> tuple[Path, ...]:
    """Return the live blocks that contain rejected fields and are no longer desired. Empty if the rejection has another cause."""
    blocks = [_outermost_block(live, desired, field) for field in fields]
    return tuple(dict.fromkeys(block for block in blocks if block)) if all(blocks) else ()


def _outermost_block(live: Any, desired: Any, field: str) -> Path:
    path: list[str | int] = []
    for step in _steps(field):
        if isinstance(live, list) and isinstance(step, int) and step < len(live):
            live, desired = live[step], _entry_of_same_name(live[step], desired)
        elif isinstance(live, dict) and step in live:
            live, desired = live[step], desired.get(step) if isinstance(desired, dict) else None
        else:
            return ()
        path.append(step)
        if desired is None:
            return tuple(path) if isinstance(live, dict) and isinstance(step, str) else ()
    return ()


def _steps(field: str) -> Iterator[str | int]:
    """Split a field as the server writes it: `spec.containers[0].env`."""
    return (int(word) if word.isdigit() else word for word in _FIELD.findall(field))


def _entry_of_same_name(entry: Any, others: Any) -> Any:
    """Find the entry of the desired list, which may be in another order."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return next((other for other in others or () if isinstance(other, dict) and name is not None and other.get("name") == name), None)
