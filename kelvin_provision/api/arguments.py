"""The arguments of our own processes: the same box, and where to listen. The command line checks what people type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("--state-dir", "--config", "--listen", "--agent")
ASKED = "asked"
"""The value of `--agent` in a service, which may start no process outside of itself: systemd starts the agent for it."""


@dataclass(frozen=True)
class Arguments:
    """`config` is None and `listen` empty where the settings say it. `confined`: cluster and agent can only be asked for."""

    state_dir: Path
    config: Path | None = None
    listen: tuple[str, ...] = ()
    confined: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> Arguments:
        """Raises ValueError for anything that `words` did not make."""
        pairs = list(zip(words[::2], words[1::2], strict=True))
        given = dict(pairs)
        if set(given) - set(_NAMES) or "--state-dir" not in given:
            raise ValueError(f"expected pairs of {', '.join(_NAMES)}")
        config, agent = given.get("--config"), given.get("--agent")
        if agent not in {None, ASKED}:
            raise ValueError(f"--agent is {ASKED} or not given")
        listen = tuple(value for name, value in pairs if name == "--listen")
        return cls(Path(given["--state-dir"]), Path(config) if config else None, listen, agent == ASKED)

    @property
    def words(self) -> list[str]:
        """The inverse of `parse`, without where to listen: for a child that works on the same box."""
        config = ["--config", str(self.config)] if self.config else []
        return ["--state-dir", str(self.state_dir), *config, *(["--agent", ASKED] if self.confined else [])]
