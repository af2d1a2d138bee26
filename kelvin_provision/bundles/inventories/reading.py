"""An inventory from its file, which anyone may have written: every limit is checked, and nothing else than an inventory comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kelvin_provision.bundles.inventories.inventory import (
    IMAGES,
    LAYERS,
    MEDIA_TYPE,
    MOST_BYTES,
    REVISIONS,
    RUNTIME,
    SCHEMA,
    SERIALS,
    SLOTS,
    STORE,
    Inventory,
    KnownImage,
    KnownLayer,
    KnownRevision,
)
from kelvin_provision.bundles.part_file import PartFile
from kelvin_provision.bundles.strict import Strict
from kelvin_provision.errors import BundleInvalid, InventoryInvalid, MediumGone

_KEYS = frozenset(
    {"schema", "kind", "box", "platform", "made_by", "taken", "layers", "images", "revisions", "serials", "trust", "free"}
)  # fmt: skip
_LAYER = frozenset({"digest", "size", "diff_id", "in"})
_IMAGE = frozenset({"reference", "platform", "manifest", "config", "in_store", "in_runtime"})
_REVISION = frozenset({"workload", "revision", "version", "slot"})
_SERIAL = frozenset({"signer", "serial"})
_FREE = frozenset({STORE, RUNTIME})


def _wrong(what: str) -> InventoryInvalid:
    return InventoryInvalid(f"the inventory is not valid: {what}")


_READ = Strict(_wrong)


def read(path: Path) -> Inventory:
    """A regular file, of which no more is read than an inventory may have. Raises InventoryInvalid, FileUnreadable."""
    try:
        file = PartFile(path)
        try:
            if file.size > MOST_BYTES:
                raise _wrong(f"{file.size} bytes, the limit is {MOST_BYTES}")
            data = file.read(0, file.size)
        finally:
            file.close()
        return decode(data)
    except InventoryInvalid as error:
        raise InventoryInvalid(f"{path}: {error}") from error
    except (BundleInvalid, MediumGone) as error:
        raise InventoryInvalid(str(error)) from error


def decode(data: bytes) -> Inventory:
    """Every limit is checked: what comes back is sound. Raises InventoryInvalid."""
    document = _READ.parsed(data, MOST_BYTES)
    if document.get("kind") != MEDIA_TYPE:
        raise _wrong(f"its kind is not {MEDIA_TYPE}")
    if other := _READ.other_schema(document, SCHEMA):
        raise InventoryInvalid(f"the inventory has {other}")
    _READ.record(document, _KEYS)
    free = _READ.record(document["free"], _FREE)
    box = _READ.text(document["box"], "box")
    if not box:
        raise _wrong("its box has no name")
    return Inventory(
        box=box,
        platform=_READ.platform(document["platform"]),
        made_by=_READ.text(document["made_by"], "made_by"),
        taken=_READ.text(document["taken"], "taken"),
        layers=_READ.items(document["layers"], LAYERS, _layer, "layers"),
        images=_READ.items(document["images"], IMAGES, _image, "images"),
        revisions=_READ.items(document["revisions"], REVISIONS, _revision, "revisions"),
        serials=_READ.items(document["serials"], SERIALS, _serial, "serials"),
        trust=_number_or_none(document["trust"], "trust"),
        free_store=_number_or_none(free[STORE], "free"),
        free_runtime=_number_or_none(free[RUNTIME], "free"),
    )


def _number_or_none(value: Any, name: str) -> int | None:
    return None if value is None else _READ.number(value, name)


def _one_of(value: Any, values: tuple[str, ...], name: str) -> str:
    if value not in values:
        raise _wrong(f"{name} is none of {', '.join(values)}")
    return str(value)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(f"{name} is neither true nor false")
    return value


def _layer(value: Any) -> KnownLayer:
    document = _READ.record(value, _LAYER)
    return KnownLayer(
        _READ.digest(document["digest"]),
        _READ.number(document["size"], "a size"),
        _READ.digest(document["diff_id"]),
        _one_of(document["in"], (STORE, RUNTIME), "where a layer is"),
    )


def _image(value: Any) -> KnownImage:
    document = _READ.record(value, _IMAGE)
    in_runtime = document["in_runtime"]
    return KnownImage(
        _READ.text(document["reference"], "a reference"),
        _READ.platform(document["platform"]),
        _READ.digest(document["manifest"]),
        _READ.digest(document["config"]),
        _flag(document["in_store"], "in_store"),
        None if in_runtime is None else _flag(in_runtime, "in_runtime"),
    )


def _revision(value: Any) -> KnownRevision:
    document = _READ.record(value, _REVISION)
    return KnownRevision(
        _READ.text(document["workload"], "a workload"),
        _READ.number(document["revision"], "a revision"),
        _READ.text(document["version"], "a version"),
        _one_of(document["slot"], SLOTS, "the slot of a revision"),
    )


def _serial(value: Any) -> tuple[str, int]:
    document = _READ.record(value, _SERIAL)
    return _READ.text(document["signer"], "a signer"), _READ.number(document["serial"], "a serial")
