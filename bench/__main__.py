"""`make bench [ARGS="startup downloading badlinks bundles importing staging applying checking deltas idle scale nodes api page ..."]`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench import (
    api,
    apiserver,
    applying,
    badlinks,
    bundles,
    checking,
    deltas,
    downloading,
    fleet,
    following,
    idle,
    importing,
    nodes,
    packaged,
    page,
    rehearsing,
    scale,
    staging,
    startup,
    uploading,
)
from bench.measure import HEADER

ALL = {
    "startup": startup,
    "downloading": downloading,
    "badlinks": badlinks,
    "bundles": bundles,
    "importing": importing,
    "staging": staging,
    "applying": applying,
    "checking": checking,
    "deltas": deltas,
    "idle": idle,
    "scale": scale,
    "api": api,
    "apiserver": apiserver,
    "packaged": packaged,
    "page": page,
    "uploading": uploading,
    "rehearsing": rehearsing,
    "fleet": fleet,
    "nodes": nodes,
    "following": following,
}


def main() -> int:
    """Run those named, or all; a bench that cannot run here is named with its reason."""
    folder = Path(tempfile.mkdtemp(prefix="kelvin-bench-"))
    try:
        print(HEADER)
        for name in sys.argv[1:] or ALL:
            why = getattr(ALL[name], "missing", str)()
            if why:
                print(f"{name}: not measured, {why}")
                continue
            for row in ALL[name].rows(folder):
                print(row, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
