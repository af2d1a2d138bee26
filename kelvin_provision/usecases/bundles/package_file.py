"""A package as a file: beside its name first, which it gets when all of it is on the disk."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path
from typing import Any

from kelvin_provision.bundles.writing.output import Output, Place, publish
from kelvin_provision.bundles.writing.space import refuse_without_space
from kelvin_provision.bundles.zips.making import Package, make, work
from kelvin_provision.context import Context
from kelvin_provision.errors import CannotWrite, Interrupted
from kelvin_provision.events import Advanced, Finished, Started
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.usecases.bundles.packable import PackageRequest
from kelvin_provision.usecases.bundles.packaging import Packed, packed


@dataclass(frozen=True)
class DownloadRequest(PackageRequest):
    """`force` replaces a file that is there."""

    file: Path = Path("package.zip")
    force: bool = False


@dataclass(frozen=True)
class DownloadResult:
    """`kept` bytes were there already, of the same command that was interrupted."""

    path: Path
    packed: Packed
    package: Package
    kept: int

    @property
    def digest(self) -> str:
        return digest_of(self.package.table)

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "digest": self.digest, "kept": self.kept, **self.packed.to_json()}


def download(ctx: Context, request: DownloadRequest) -> DownloadResult:
    """Raises what `packed` raises; CannotWrite, NoSpace, PermissionRefused, Locked, Interrupted."""
    path = request.file.absolute()
    _refuse_to_replace(path, force=request.force)
    with packed(ctx, request) as value:
        size = value.contents.total
        unfinished = path.with_name(f".{path.name}.unfinished")
        refuse_without_space(value.contents, Place(path.parent, path.stem), [unfinished])
        with closing(Output([unfinished], [size])) as output:
            output.lock()
            package = _made(ctx, value, path.name, output)
            output.finish()
            kept = output.kept
        publish([(unfinished, path)], (), path.parent)
        return DownloadResult(path, value, package, kept)


def _made(ctx: Context, value: Packed, task: str, output: Output) -> Package:
    total, size = work(value.contents), value.contents.total
    ctx.progress(Started(task, "writing", size))

    def report(done: int) -> None:
        if ctx.stop():
            raise Interrupted("stopped; what was written is kept", hint="the same command continues where it stopped")
        ctx.progress(Advanced(task, done * size // total, size))  # every content is read twice

    package = make(value.contents, value.content, report, output.put)
    ctx.progress(Finished(task, "written"))
    return package


def _refuse_to_replace(path: Path, *, force: bool) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:  # it is not there, or the writing says why it cannot be
        return
    if not stat.S_ISREG(mode):
        raise CannotWrite(f"cannot write {path}: it is no regular file", hint="name another file")
    if not force:
        raise CannotWrite(f"{path} is there already", hint="name another file, or replace it with --force")
