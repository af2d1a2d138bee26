"""Make the deltas that turn one image into another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.desk.deltas import DeltaResult, LayerResult
    from kelvin_provision.refs import Platform

_FROM = Option("--from", metavar="REF", help="The image that boxes have.")
_TO = Option("--to", metavar="REF", help="The image that they are to get.")
_SOURCE = Option(
    "--source", metavar="SOURCE", help="Where both images are: registry, store, docker (layers only), or the folder of an OCI image layout."
)
_PLATFORM = Option(
    "--platform", metavar="PLATFORM", help="The images for this platform, such as linux/arm64.  [default: that of this machine]"
)
_PUSH = Option("--push", help="Push the deltas to the repository of the new image, where boxes look for them.")
_LAYOUT = Option("-o", "--layout", metavar="FOLDER", help="Write them as an OCI image layout, which may be there already.")


def command(
    session: Session,
    *,
    old: Annotated[str | None, _FROM] = None,
    new: Annotated[str | None, _TO] = None,
    source: Annotated[str, _SOURCE] = "registry",
    platform: Annotated[str | None, _PLATFORM] = None,
    push: Annotated[bool, _PUSH] = False,
    layout: Annotated[Path | None, _LAYOUT] = None,
) -> Report:
    """Make the deltas that turn one image into another.

    Done at a desk or in a build, which needs neither a runtime nor a cluster. A box that has the image of --from downloads them instead
    of the layers that changed. Each is tried before it is given away. A delta of more than 70 % of its layer is not worth it and is left
    out. With neither --push nor --layout, it only shows how large they are. Both images are needed, and disk space for the
    uncompressed layers that differ. With --source docker, layers are taken from Docker Engine instead of downloaded; the new image must
    have been pushed already.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.desk import deltas
    from kelvin_provision.refs import Reference

    if old is None or new is None:
        raise UsageRefused("missing option --from or --to", hint=to_type("images delta", "--from", "REF", "--to", "REF", "--push"))
    request = deltas.DeltaRequest(
        Reference.parse(old), Reference.parse(new), source, _platform(platform) if platform else None, push=push, output=layout
    )
    with operating(session) as ctx:
        result = deltas.delta(ctx, request)
    return Report("images delta", tuple(_items(result)), more={"delta": result.to_json()}, names=(result.digest,) if result.digest else ())


def _items(result: DeltaResult) -> list[Item]:
    from kelvin_provision.quantity import format_bytes

    layers = [Item("layer", layer.digest[:19], _outcome(layer), _detail(layer)) for layer in result.layers]
    if not result.layers:
        return [Item("image", str(result.new.reference), "has the same layers", str(result.new.platform))]
    share = f"{format_bytes(result.size)} instead of {format_bytes(result.whole)} ({100 * result.size / max(result.whole, 1):.1f} %)"
    outcome = "not worth it" if result.digest is None else "pushed" if result.pushed else "written" if result.output else "would be made"
    digest = f"; digest {result.digest}" if result.digest else ""
    return [*layers, Item("delta", str(result.new.reference), outcome, share + digest)]


def _outcome(layer: LayerResult) -> str:
    return "delta made" if layer.worth else "no delta can be made" if layer.delta is None else "not worth a delta"


def _detail(layer: LayerResult) -> str:
    from kelvin_provision.quantity import format_bytes

    whole = format_bytes(layer.size)
    return whole if layer.delta is None else f"{format_bytes(layer.delta)} instead of {whole}"


def _platform(text: str) -> Platform:
    from kelvin_provision.refs import Platform

    try:
        return Platform.parse(text)
    except ValueError as error:
        raise UsageRefused(f"--platform: {error}", hint=to_type("images delta", "--help")) from error
