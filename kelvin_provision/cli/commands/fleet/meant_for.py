"""Which boxes a version is for: the values of `--for` and `--rollout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import PublicationInvalid, UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.publications.model import Selector

_KEYS = ("box", "cluster", "platform")


def selector(values: Sequence[str]) -> Selector:
    """Of one key, any of the values; of several, each. Raises UsageRefused."""
    from kelvin_provision.publications.model import read_selector

    document: dict[str, Any] = {"boxes": [], "labels": {}, "clusters": [], "platforms": []}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not (key in _KEYS or key.startswith("label.")):
            raise _refused(f"--for {text}: expected box=NAME, label.KEY=VALUE, cluster=docker|kubernetes or platform=PLATFORM")
        if key.startswith("label."):
            document["labels"].setdefault(key.removeprefix("label."), []).append(value)
        else:
            document[f"{key}es" if key == "box" else f"{key}s"].append(value)
    try:
        return read_selector(document)
    except PublicationInvalid as error:
        raise _refused(f"--for: {str(error).partition(': ')[2]}") from error


def rollout(text: str) -> int:
    """`10%` or `10`. Raises UsageRefused."""
    number = text.strip().removesuffix("%").strip()
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:4]) <= 100):
        raise _refused(f"--rollout {text}: expected a share of the boxes from 1% to 100%")
    return int(number)


def _refused(text: str) -> UsageRefused:
    return UsageRefused(text, hint=to_type("publish", "--help"))
