"""The arguments of our own processes: the same box, and where to listen. The command line checks what people type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("--state-dir", "--config", "--listen")


@dataclass(frozen=True)
class Arguments:
    """`config` is None and `listen` empty where the settings say it."""

    state_dir: Path
    config: Path | None = None
    listen: tuple[str, ...] = ()

    @classmethod
    def parse(cls, words: Sequence[str]) -> Arguments:
        """Raises ValueError for anything that `words` did not make."""
        pairs = list(zip(words[::2], words[1::2], strict=True))
        given = dict(pairs)
        if set(given) - set(_NAMES) or "--state-dir" not in given:
            raise ValueError(f"expected pairs of {', '.join(_NAMES)}")
        config = given.get("--config")
        listen = tuple(value for name, value in pairs if name == "--listen")
        return cls(Path(given["--state-dir"]), Path(config) if config else None, listen)

    @property
    def words(self) -> list[str]:
        """The inverse of `parse`, without where to listen: for a child that works on the same box."""
        return ["--state-dir", str(self.state_dir), *(["--config", str(self.config)] if self.config else [])]
