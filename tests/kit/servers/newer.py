"""Newer runtimes beside the installed ones: another containerd and Docker Engine, for the contract suites.

They are where KELVIN_PROVISION_TEST_NEWER says (a folder of programs), or where `../shared/newer/build.sh`, seen from the project, puts them.
"""

import os
from pathlib import Path

_GIVEN = os.environ.get("KELVIN_PROVISION_TEST_NEWER")
_BUILD = Path(__file__).parents[4] / "shared" / "newer" / "build.sh"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_BUILT = Path(os.environ.get("NEWER_DIR") or _CACHE / "newer") / "dist" / "bin"
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "dockerd", "docker-proxy", "runc")


def folder() -> Path | None:
    """Of the newer programs; None where there are none."""
    place = Path(_GIVEN) if _GIVEN else _BUILT if _BUILD.exists() else None
    return place if place and all((place / program).exists() for program in PROGRAMS) else None


def why_not() -> str:
    """Why there are none, or nothing."""
    if folder():
        return ""
    return (
        f"newer runtimes are not in {_GIVEN}" if _GIVEN else f"newer runtimes are not built: {_BUILD}, or set KELVIN_PROVISION_TEST_NEWER"
    )


def path_with(programs: Path | None) -> dict[str, str]:
    """The environment of a server that uses these programs before the installed ones."""
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"} if programs else {}
