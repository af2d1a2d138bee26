"""What a member does now, as a small file for `agent status` and `doctor`: whether the leader answers, and how far its images are.

Written in place and never synced, as the agent's own report: it means nothing after a crash, and readers check the agent's lock first.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import overwrite, read_own
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.member.state import State

FILE = "member.now"
WRITE_INTERVAL = 1.0
_SHOWN = 20
"""Images of which the reason is shown."""


@dataclass(frozen=True)
class MemberNow:
    """`reached`: when the leader answered last, empty for never; `trouble` and `since`: why it does not now. `missing`: why, by image."""

    reached: str
    trouble: str
    since: str
    problem: str
    here: int
    images: int
    missing: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "missing": [{"image": image, "why": why} for image, why in self.missing]}


def of(state: State) -> MemberNow:
    """Of this moment."""
    images, link = state.images(), state.link
    missing = [(image.image, image.why or str(image.state)) for image in images if image.state is not NodeImageState.HERE]
    here = len(images) - len(missing)
    return MemberNow(link.reached, link.trouble, link.since, state.problem, here, len(images), tuple(missing[:_SHOWN]))


class NowFile:
    """Call `publish` now and then: it writes at most once a second, and only what is new."""

    def __init__(self, state_dir: Path, state: State) -> None:
        self._path, self._state = state_dir / FILE, state
        self._written, self._at = b"", float("-inf")

    def publish(self) -> None:
        """A full disk does not stop the member."""
        if time.monotonic() - self._at < WRITE_INTERVAL:
            return
        self._at = time.monotonic()
        data = json.dumps(of(self._state).to_json()).encode() + b"\n"
        if data != self._written:
            self._written = data
            with suppress(OSError):
                overwrite(self._path, data)

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read(state_dir: Path) -> MemberNow | None:
    """None where nothing was written, or while it is being written."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        document = json.loads(read_own(state_dir / FILE).partition(b"\n")[0])
        missing = tuple((str(entry["image"]), str(entry["why"])) for entry in document.pop("missing"))
        reached, trouble, since, problem = (str(document[name]) for name in ("reached", "trouble", "since", "problem"))
        return MemberNow(reached, trouble, since, problem, int(document["here"]), int(document["images"]), missing)
    return None


def membership_path(state_dir: Path) -> Path:
    """The file that makes a node a member."""
    return state_dir / "nodes" / "membership.json"


def leader_of(state_dir: Path) -> str:
    """The address of this member's leader; empty where that cannot be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        return str(json.loads(read_own(membership_path(state_dir)))["leader"])
    return ""
