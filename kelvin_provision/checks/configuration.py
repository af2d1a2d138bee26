"""Settings for commands that must run even with invalid ones: what can be read, and the findings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.errors import ProvisionError
from kelvin_provision.settings.load import Loaded, load
from kelvin_provision.settings.model import Settings


@dataclass(frozen=True)
class Configuration:
    """`sources` are the files and variables that set something."""

    settings: Settings
    findings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def tolerant(*, config: Path | None, state_dir: Path | None, environ: Mapping[str, str], is_root: bool) -> Configuration:
    """All settings; if they are invalid, those without the files; if still invalid, without our variables, too."""
    try:
        return _of(load(config=config, state_dir=state_dir, environ=environ, is_root=is_root), ())
    except ProvisionError as problem:
        findings = problem.evidence or (str(problem),)
    nothing = Path(os.devnull)
    try:
        return _of(load(config=nothing, state_dir=state_dir, environ=environ, is_root=is_root), findings)
    except ProvisionError:
        bare = {name: value for name, value in environ.items() if not name.startswith("KELVIN_PROVISION_")}
        return _of(load(config=nothing, state_dir=state_dir, environ=bare, is_root=is_root), findings)


def _of(loaded: Loaded, findings: tuple[str, ...]) -> Configuration:
    given = dict.fromkeys(origin.origin for origin in loaded.origins if origin.origin != "default")
    return Configuration(loaded.settings, findings, tuple(given))
