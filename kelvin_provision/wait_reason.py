"""Why something waits, as data that is stored and compared, and the one place where it becomes text."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kelvin_provision.fast_dataclass import dataclass


class WaitKind(StrEnum):
    """What is waited for. Those after REVOKED are retries: the last attempt ended with an error of this code."""

    DOWNLOAD_WINDOW = "download-window"
    DOWNLOAD_BUDGET = "download-budget"
    APPLY_WINDOW = "apply-window"
    HOLD = "held"
    MEDIUM = "medium"
    GROUP = "group-member-failed"
    NODES = "nodes"
    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"
    REVOKED = "revoked"

    REGISTRY_UNREACHABLE = "registry-unreachable"
    REGISTRY_BUSY = "registry-busy"
    RUNTIME_UNREACHABLE = "runtime-unreachable"
    CLUSTER_UNREACHABLE = "cluster-unreachable"
    NO_SPACE = "no-space"
    IMAGE_UNSIGNED = "image-unsigned"
    DELTA_MISSING = "delta-missing"
    OUR_BUG = "our-bug"
    ERROR = "error"
    """Any other error that is no fault of what waits."""

    @classmethod
    def of_error(cls, code: str) -> WaitKind:
        return cls(code) if code in _RETRIES else cls.ERROR


_OF_THE_VERSION = {WaitKind.REFUSED, WaitKind.ROLLED_BACK, WaitKind.REVOKED}
_SCHEDULED = {
    WaitKind.DOWNLOAD_WINDOW,
    WaitKind.DOWNLOAD_BUDGET,
    WaitKind.APPLY_WINDOW,
    WaitKind.HOLD,
    WaitKind.MEDIUM,
    WaitKind.GROUP,
    WaitKind.NODES,
}
_RETRIES = {*WaitKind} - _SCHEDULED - _OF_THE_VERSION


@dataclass(frozen=True)
class WaitReason:
    """`until` is RFC 3339 in UTC, or HH:MM of the box's clock for the download window; `workloads` are those that are waited for.

    Nothing in it changes while the reason stays the same, such as an age: what is the same is not written again.
    """

    kind: WaitKind
    detail: str = ""
    until: str = ""
    workloads: tuple[str, ...] = ()

    @property
    def is_retry(self) -> bool:
        """Whether an attempt ended with an error and is repeated; otherwise it is waited for as it was asked."""
        return self.kind in _RETRIES

    def to_json(self) -> dict[str, object]:
        fields = {"detail": self.detail, "until": self.until, "workloads": list(self.workloads)}
        return {"kind": self.kind.value} | {name: value for name, value in fields.items() if value}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> WaitReason:
        workloads = document.get("workloads", ())
        return cls(
            WaitKind(str(document["kind"])),
            str(document.get("detail", "")),
            str(document.get("until", "")),
            tuple(map(str, workloads)) if isinstance(workloads, list | tuple) else (),
        )


def describe(reason: WaitReason) -> str:  # noqa: C901, PLR0911  (a table: one line for each kind)
    """What follows the name of what waits: `waits for the download window, which opens at 22:00`; of a retry the error alone."""
    match reason.kind:
        case WaitKind.DOWNLOAD_WINDOW:
            return f"waits for the download window, which opens at {reason.until}"
        case WaitKind.DOWNLOAD_BUDGET:
            return f"waits for midnight: {reason.detail}"
        case WaitKind.APPLY_WINDOW:
            return f"waits for the apply window {reason.detail}, which opens at {_local(reason.until)}"
        case WaitKind.HOLD:
            return f"waits until {', '.join(reason.workloads)} {'is' if len(reason.workloads) == 1 else 'are'} released"
        case WaitKind.MEDIUM:
            return f"waits for the stick {reason.detail}"
        case WaitKind.GROUP:
            return f"waits for {', '.join(reason.workloads)} of the same group: {reason.detail}"
        case WaitKind.NODES:
            return f"ready {_with_local_times(reason.detail)}"
        case WaitKind.REFUSED:
            return f"the cluster would refuse this version: {reason.detail}"
        case WaitKind.ROLLED_BACK:
            return f"{reason.detail} was rolled back, so it is applied only by its name"
        case WaitKind.REVOKED:
            return f"this version is revoked: {reason.detail}"
        case _:
            return reason.detail


def describe_with_name(name: str, reason: WaitReason) -> str:
    """A whole sentence: `pump waits until fan is released`, `pump waits: r.io: no route to host`."""
    if reason.kind in {*_OF_THE_VERSION, WaitKind.NODES}:
        return f"{name}: {describe(reason)}"
    return f"{name} waits: {describe(reason)}" if reason.is_retry else f"{name} {describe(reason)}"


def _local(until: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(until).astimezone().isoformat(sep=" ", timespec="minutes")


def _with_local_times(text: str) -> str:
    """Times of today are shown without their date. The stored text has UTC, so that it stays the same."""
    import re

    return re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?!\w)", lambda match: _clock_time(match[0]), text)


def _clock_time(text: str) -> str:
    from datetime import datetime

    try:
        local = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return text
    today = datetime.now().astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
