"""Which fields of what the outside world answers are text in its words. All others are ours, names, numbers and digests. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from kelvin_provision.cluster.health import Health
from kelvin_provision.cluster.plan import Drift, Finding, Plan
from kelvin_provision.cluster.rehearsal import Rehearsed
from kelvin_provision.cluster.survey import ClusterState, Condition, Survey
from kelvin_provision.observation import Hold, Observation

T = TypeVar("T")

FOREIGN: Mapping[type, frozenset[str]] = {
    Finding: frozenset({"message"}),
    Plan: frozenset({"remarks"}),
    Drift: frozenset({"applied", "live"}),
    Health: frozenset({"why"}),
    Rehearsed: frozenset({"reason", "evidence"}),
    Condition: frozenset({"message"}),
    ClusterState: frozenset({"address"}),
    Survey: frozenset({"denied"}),
    Observation: frozenset({"warnings"}),
    Hold: frozenset({"reason"}),
}


def sanitized(value: T, clean: Callable[[str], str]) -> T:
    """The value with its foreign texts cleaned; itself where nothing changed."""
    result: T = _walk(value, clean)
    return result


def _walk(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return _if_changed(value, {key: _walk(item, clean) for key, item in value.items()})
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return _if_changed(value, tuple(_walk(item, clean) for item in value))
    names = [field.name for field in fields(value)] if is_dataclass(value) else getattr(value, "_fields", ())
    foreign = FOREIGN.get(type(value), frozenset())
    changed = {}
    for name in names:
        before = getattr(value, name)
        after = _texts(before, clean) if name in foreign else _walk(before, clean)
        if after is not before:
            changed[name] = after
    if not changed:
        return value
    return value._replace(**changed) if hasattr(value, "_replace") else replace(value, **changed)


def _texts(value: Any, clean: Callable[[str], str]) -> Any:
    """All text in a value of plain data. What the rules for documents masked already is no text."""
    if isinstance(value, str):
        return _if_changed(value, clean(value) if value else value)
    if isinstance(value, tuple | list):
        return _if_changed(value, type(value)(_texts(item, clean) for item in value))
    if isinstance(value, Mapping):
        return _if_changed(value, {key: _texts(item, clean) for key, item in value.items()})
    return value


def _if_changed(before: Any, after: Any) -> Any:
    if isinstance(before, str):
        return before if before == after else after
    pairs = zip(before.values(), after.values(), strict=True) if isinstance(before, Mapping) else zip(before, after, strict=True)
    return before if all(old is new for old, new in pairs) else after
