"""Write requests and their images as a bundle onto a medium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.commands.bundle.place import compared
from kelvin_provision.cli.commands.key.signing import PassphraseFile, SignWith, signer
from kelvin_provision.cli.frame.arguments import Files
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.files import content, signatures
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.refs import Platform
    from kelvin_provision.usecases.bundles.creating.request import CreateResult

_TO = Option("-o", "--to", metavar="PLACE", help="A folder of the medium, or a file NAME.kpb in one.")
_PLATFORM = Option("--platform", metavar="PLATFORM", help="Images for this platform, such as linux/arm64; may be repeated.")
_FROM = Option("--from", metavar="SOURCE", help="registry, store, or the folder of an OCI image layout.")
_NAME = Option("--name", metavar="NAME", help="The name of the bundle.  [default: the app and version of the first request]")
_SERIAL = Option("--serial", metavar="NUMBER", min=0, help="A number that grows with each bundle.")
_FOR = Option("--for", metavar="BOX|FILE", help="A box that the bundle is for: its name, or its inventory (FILE.json); may be repeated.")
_SINCE = Option("--since", metavar="PLACE", help="Leave out what the bundle there has: the boxes were given it before.")
_PART_SIZE = Option("--part-size", metavar="SIZE", help="Cut it into files of this size.  [default: 4092MiB on FAT, else one file]")
_LATEST = Option("--allow-latest", help="Accept an image whose tag can change: `latest`, or no tag.")
_NO_IMAGES = Option("--no-images", help="Requests only; boxes have the images, or download them.")
_NO_READ_BACK = Option("--no-read-back", help="Do not read again what was written.")
_NO_DELTAS = Option("--no-deltas", help="Whole layers, also for boxes whose inventories say what they could be made from.")
_SIGN = Option("--sign", metavar="KEY", help="Sign with this private key; with --sign-with, the public one.")
_TRUST = Option("--trust", metavar="FILE", help="A trust document, with FILE.sig beside it; may be repeated, also without a request.")
_REPAIR = Option("--repair", help="Write only what is wrong of this bundle on the medium.")


def command(
    session: Session,
    *,
    file: Files,
    to: Annotated[Path | None, _TO] = None,
    platform: Annotated[list[str] | None, _PLATFORM] = None,
    source: Annotated[str, _FROM] = "registry",
    name: Annotated[str, _NAME] = "",
    serial: Annotated[int | None, _SERIAL] = None,
    box: Annotated[list[str] | None, _FOR] = None,
    since: Annotated[Path | None, _SINCE] = None,
    part_size: Annotated[str | None, _PART_SIZE] = None,
    trust: Annotated[list[Path] | None, _TRUST] = None,
    sign: Annotated[Path | None, _SIGN] = None,
    sign_with: SignWith = None,
    passphrase_file: PassphraseFile = None,
    allow_latest: Annotated[bool, _LATEST] = False,
    no_images: Annotated[bool, _NO_IMAGES] = False,
    no_read_back: Annotated[bool, _NO_READ_BACK] = False,
    no_deltas: Annotated[bool, _NO_DELTAS] = False,
    repair: Annotated[bool, _REPAIR] = False,
) -> Report:
    """Write requests and their images as a bundle onto a medium.

    Done at a desk, which needs neither a runtime nor a cluster. Requests are checked as `workloads deploy` checks them, and kept byte by
    byte. The size and the free space are known before the first byte. The bundle gets its name when all of it was written and read
    back; until then, the same command continues where it was interrupted.

    With inventories of the boxes (`images list --inventory FILE` makes one), layers that all of them have are left out, and the bundle is
    for these boxes and their platforms. A box that lacks one of these layers after all refuses the bundle. Other layers come as deltas
    from the versions that the boxes have, as far as the source has these, where that is smaller.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.trust.documents.loose import in_order, read
    from kelvin_provision.trust.requests import RequestFile
    from kelvin_provision.usecases.bundles.creating.create import create
    from kelvin_provision.usecases.bundles.creating.request import CreateRequest

    if to is None:
        raise UsageRefused("missing option --to", hint=to_type("bundle create", "-f", "FILE", "--to", "PLACE"))
    request = CreateRequest(
        files=tuple(RequestFile(*content(path), signatures(path, None)) for path in file or ()),
        place=to,
        platforms=tuple(map(_platform, platform or ())),
        name=name,
        serial=serial,
        boxes=tuple(value for value in box or () if not _is_file(value)),
        inventories=tuple(Path(value) for value in box or () if _is_file(value)),
        since=since,
        part_size=_size(part_size),
        source=source,
        with_images=not no_images,
        allow_latest=allow_latest,
        read_back=not no_read_back,
        deltas=not no_deltas,
        repair=repair,
        trust=in_order(map(read, trust or ())),
        signer=signer(sign, sign_with, passphrase_file) if sign or sign_with or passphrase_file else None,
    )
    with operating(session) as ctx:
        result = create(ctx, request)
    return Report("bundle create", _items(result), warnings=result.warnings, more={"bundle": result.to_json()}, names=(result.digest,))


def _items(result: CreateResult) -> tuple[Item, ...]:
    from kelvin_provision.quantity import format_bytes

    images = [Item("image", str(image.reference), "bundled", str(image.platform)) for image in result.contents.images]
    kept = f", {format_bytes(result.kept)} were there already" if result.kept else ""
    files = [
        Item("file", str(path), "written and read back" if result.read_back else "written", format_bytes(size))
        for path, size in zip(result.paths, result.contents.parts, strict=True)
    ]
    layers, size = result.left_out
    left = [Item("layers", str(layers), "left out", f"{format_bytes(size)} that the box has")] if layers else []
    if result.deltas.layers:
        left.append(Item("layers", str(result.deltas.layers), "as deltas", result.deltas.text))
    keys = [Item("signature", key[:12], "added") for key in result.signers]
    whole = Item(
        "bundle", result.contents.name, "created", f"{format_bytes(result.contents.total)}{kept}; digest {compared(result.digest)}"
    )
    return (*images, *left, *files, *keys, whole)


def _is_file(value: str) -> bool:
    """Whether a box is given by its inventory: the same on every desk, whatever files are there."""
    return "/" in value or value.endswith(".json")


def _platform(text: str) -> Platform:
    from kelvin_provision.refs import Platform

    try:
        return Platform.parse(text)
    except ValueError as error:
        raise UsageRefused(f"--platform: {error}", hint=to_type("bundle create", "--help")) from error


def _size(text: str | None) -> int | None:
    from kelvin_provision.quantity import InvalidQuantity, parse_bytes

    try:
        return None if text is None else parse_bytes(text)
    except InvalidQuantity as error:
        raise UsageRefused(f"--part-size: {error}", hint=to_type("bundle create", "--help")) from error
