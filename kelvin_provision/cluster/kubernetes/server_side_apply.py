"""Putting one object in the place of what is there.

Server-side apply takes away the fields that we sent before and no longer send. Servers before 1.21 leave the block that they
were in, empty, and then refuse it: no health check can be taken off, no variable can change from a secret to a plain value, and an
update that added one can never be undone. There the blocks are taken away first, with the roll-out paused, so that nothing is
ever started from the half-way state.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import MANAGER
from kelvin_provision.spec.workload import Object

_STEP = re.compile(r"[^.\[\]]+")
PAUSABLE = frozenset({"Deployment"})
Pointer = tuple[str | int, ...]


def apply(api: Api, item: Object, live: Object | None, namespace: str, *, dry_run: bool = False) -> Object:
    """The object as it is afterwards, or would be. Forced where something is there: the caller knows that it is ours."""
    try:
        outcome = api.apply(item, namespace, force=live is not None, dry_run=dry_run)
    except Rejected as error:
        blocks = emptied(live, item, error.fields) if live is not None else ()
        if live is None or not blocks:
            raise
        if dry_run:
            return api.edit(live, namespace, removals(blocks), dry_run=True)
        pause = [{"op": "add", "path": "/spec/paused", "value": True}] if item["kind"] in PAUSABLE else []
        api.edit(live, namespace, [*pause, *removals(blocks)])
        outcome = api.apply(item, namespace, force=True)
    if not dry_run and paused_by_us(outcome):
        outcome = api.edit(outcome, namespace, [{"op": "remove", "path": "/spec/paused"}])
    return outcome


def removals(blocks: Collection[Pointer]) -> list[Object]:
    """JSON patch (RFC 6902); its pointers write `~` and `/` in other ways."""
    words = ["/".join(str(step).replace("~", "~0").replace("/", "~1") for step in block) for block in blocks]
    return [{"op": "remove", "path": f"/{word}"} for word in words]


def paused_by_us(value: Object) -> bool:
    """Also what a crash left between the two steps."""
    entries = value["metadata"].get("managedFields") or ()
    ours = (entry.get("fieldsV1") or {} for entry in entries if entry.get("manager") == MANAGER and entry.get("operation") == "Update")
    return bool((value.get("spec") or {}).get("paused")) and any("f:paused" in fields.get("f:spec", {}) for fields in ours)


def emptied(live: Object, wanted: Object, fields: Collection[str]) -> tuple[Pointer, ...]:
    """The blocks that a refusal of these fields is about: there now, and no longer wanted. Nothing where it is about something else."""
    found = [_outermost(live, wanted, field) for field in fields]
    return tuple(dict.fromkeys(block for block in found if block)) if all(found) else ()


def _outermost(live: Any, wanted: Any, field: str) -> Pointer:
    here: list[str | int] = []
    for step in _steps(field):
        if isinstance(live, list) and isinstance(step, int) and step < len(live):
            live, wanted = live[step], _same(live[step], wanted)
        elif isinstance(live, dict) and step in live:
            live, wanted = live[step], wanted.get(step) if isinstance(wanted, dict) else None
        else:
            return ()
        here.append(step)
        if wanted is None:
            return tuple(here) if isinstance(live, dict) and isinstance(step, str) else ()
    return ()


def _steps(field: str) -> Iterator[str | int]:
    """`spec.containers[0].env` as the server writes it."""
    return (int(word) if word.isdigit() else word for word in _STEP.findall(field))


def _same(entry: Any, others: Any) -> Any:
    """The entry of that name in another list: what is wanted may be in another order."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return next((other for other in others or () if isinstance(other, dict) and name is not None and other.get("name") == name), None)
