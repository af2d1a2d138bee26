"""The layers of the bench of deltas, made from packages of the network's package index, which are named here.

`S0`: one source file is edited. `S1`: the same, and the image is built again, so that the time of every file is new, also in its .pyc.
`M`: six packages, each one version up. `P`: one binary of 171 MiB that was linked again.
"""

from __future__ import annotations

import io
import marshal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path

OLD = ("numpy==2.4.5", "scipy==1.17.0", "pandas==3.1.0", "pyarrow==26.0.0", "scikit-learn==1.9.0", "opencv-python-headless==4.13.0.90")
NEW = ("numpy==2.4.6", "scipy==1.17.1", "pandas==3.1.1", "pyarrow==26.0.1", "scikit-learn==1.9.1", "opencv-python-headless==4.13.0.92")
BINARY = ("polars-runtime-32==1.44.1",), ("polars-runtime-32==1.44.2",)
_PLACE = "usr/local/lib/python3.11/site-packages"
_BUILT, _REBUILT = 1_780_000_000, 1_790_000_000
_EDITED = "pandas/core/frame.py"

Files = dict[str, bytes]


def make(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The old and the new layer of each set, as tar."""
    old, new, before, after = (_files(folder, packages) for packages in (OLD, NEW, *BINARY))
    edited = old | _with_compiled(_EDITED, old[_EDITED] + b"\n_EDITED = True\n")
    base, binary = _tar(folder / "old.tar", old, _BUILT), _tar(folder / "old-binary.tar", before, _BUILT)
    return {
        "S0": (base, _tar(folder / "S0.tar", edited, _BUILT)),
        "S1": (base, _tar(folder / "S1.tar", edited, _REBUILT)),
        "M": (base, _tar(folder / "M.tar", new, _REBUILT)),
        "P": (binary, _tar(folder / "P.tar", after, _REBUILT)),
    }


def _files(folder: Path, packages: tuple[str, ...]) -> Files:
    wheels = folder / packages[0].replace("=", "-")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(wheels), *packages]
    if not wheels.is_dir():
        subprocess.run(pip, check=True)
    files: Files = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    files |= _with_compiled(info.filename, archive.read(info))
    return files


def _with_compiled(name: str, data: bytes) -> Files:
    folder, _, last = name.rpartition("/")
    if not last.endswith(".py"):
        return {name: data}
    try:
        code = compile(data, f"/{_PLACE}/{name}", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return {name: data}
    return {
        name: data,
        f"{folder}/__pycache__/{last[:-3]}.cpython-311.pyc": MAGIC_NUMBER
        + bytes(8)
        + len(data).to_bytes(4, "little")
        + marshal.dumps(code),
    }


def _tar(path: Path, files: Files, time: int) -> Path:
    """As an image builder writes it: sorted, folders first; a .pyc has the time of its source."""
    with tarfile.open(path, "w") as tar:
        for name in sorted({parent for file in files for parent in _parents(f"{_PLACE}/{file}")} | {f"{_PLACE}/{file}" for file in files}):
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = time, 0o644
            data = files.get(name[len(_PLACE) + 1 :])
            if data is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif name.endswith(".pyc"):
                data = data[:8] + time.to_bytes(4, "little") + data[12:]
            info.size = len(data or b"")
            tar.addfile(info, io.BytesIO(data or b""))
    return path


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name
