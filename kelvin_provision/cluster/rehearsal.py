"""The terms and the result of a rehearsal: a staged version started beside the running one, cut off from it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.quantity import format_bytes
from kelvin_provision.status import RehearsalOutcome

SUFFIX = "-rehearsal"
"""What KELVIN_WORKLOAD_NAME ends in, so that a leader election or a client name is not the running one's."""

NAME_VARIABLE = "KELVIN_WORKLOAD_NAME"

DEVICE_FOLDER, SHARED_MEMORY = "/dev", "/dev/shm"  # noqa: S108  (a path is compared with it)


@dataclass(frozen=True)
class RehearsalTerms:
    """`policy.settle` is how long it must stay up. `allow_network`: not cut off. `real_volumes`: its own volumes, to be read only.

    `jobs`: Jobs are run, too. `proven`: that the cluster enforces network policies was seen before, which counts where we cannot look.
    """

    policy: WaitPolicy = field(default_factory=WaitPolicy)
    allow_network: bool = False
    real_volumes: bool = False
    jobs: bool = False
    proven: bool = False


@dataclass(frozen=True)
class Rehearsed:
    """`reason` is empty for `ok`. `isolated`: whether this cluster was seen to enforce the isolation; None where that was not tried."""

    outcome: RehearsalOutcome
    reason: str = ""
    evidence: tuple[str, ...] = ()
    isolated: bool | None = None


def not_possible(reasons: Iterable[str]) -> Rehearsed | None:
    """None where there is no reason."""
    unique = tuple(dict.fromkeys(reasons))
    return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, "; ".join(unique)) if unique else None


def ended() -> Rehearsed:
    return Rehearsed(RehearsalOutcome.ENDED, "ended before it was over")


def failed(why: str, evidence: Sequence[str], emptied: Sequence[str]) -> Rehearsed:
    """A version that does not start without its data may start with it: then this proves nothing."""
    if emptied:
        text = f"it did not start without its data ({why}); empty here: {', '.join(emptied)}; --real-volumes ro lets it read the real ones"
        return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, text, tuple(evidence))
    return Rehearsed(RehearsalOutcome.FAILED, why, tuple(evidence))


def shortage(resource: str, requested: float, available: float) -> str:
    """Why there is no room for it beside what runs; empty where there is."""
    if requested <= available:
        return ""
    free = max(available, 0.0)
    if resource == "memory":
        return f"not enough memory: it requests {format_bytes(int(requested))}, and {format_bytes(int(free))} are free"
    return f"not enough {resource}: it requests {requested:g}, and {free:g} are free"


def is_device(path: str) -> bool:
    """Shared memory is a folder like others."""
    plain = posixpath.normpath(path)
    return plain == DEVICE_FOLDER or (plain.startswith(f"{DEVICE_FOLDER}/") and not f"{plain}/".startswith(f"{SHARED_MEMORY}/"))


def leads_to_sockets(path: str) -> bool:
    """Whether programs of the box listen there: who connects to a socket is not held up by a mount that is read-only."""
    plain = posixpath.normpath(path)
    folders = ("/run", "/var/run")
    return plain in {"/", "/var"} or plain.endswith(".sock") or any(plain == folder or plain.startswith(f"{folder}/") for folder in folders)
