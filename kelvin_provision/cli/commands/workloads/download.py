"""Write a workload with its images as a package for an offline installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.commands.bundle.place import compared
from kelvin_provision.cli.frame.arguments import Name
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.usecases.bundles.package_file import DownloadResult

_FILE = Option("-o", "--file", metavar="FILE.zip", help="The file to write.")
_RUNNING = Option("--running", help="The running version, also where another one is staged.")
_FORCE = Option("--force", help="Replace a file that is there.")


def command(
    session: Session,
    *,
    name: Name,
    file: Annotated[Path | None, _FILE] = None,
    running: Annotated[bool, _RUNNING] = False,
    force: Annotated[bool, _FORCE] = False,
) -> Report:
    """Write a workload with its images as a package for an offline installation.

    A zip, which `bundle import FILE.zip` brings to another box: the request, the app manifest, and the images as an OCI image layout. It
    has the staged version, or the running one where none is staged. All images must be in the store. The request is as it was given:
    values of secrets that are written in it are in the package, those of `<% secrets.NAME %>` are not. The same version gives the same
    bytes. Interrupted, the same command continues where it stopped.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.usecases.bundles.package_file import DownloadRequest, download

    if file is None or str(file) == "-":
        raise UsageRefused("missing option --file with a file to write", hint=to_type("workloads download", name, "-o", f"{name}.zip"))
    with operating(session) as ctx:
        result = download(ctx, DownloadRequest(name, running, file, force))
    return Report("workloads download", _items(result), more={"package": result.to_json()}, names=(str(result.path),))


def _items(result: DownloadResult) -> tuple[Item, ...]:
    from kelvin_provision.quantity import format_bytes

    spec, contents = result.packed.revision.spec, result.packed.contents
    images = [Item("image", str(image.reference), "packed", str(image.platform)) for image in contents.images]
    detail = f"{spec.name} {spec.app_version}, {format_bytes(contents.total)}; digest {compared(result.digest)}"
    return (*images, Item("package", str(result.path), "written", detail))
