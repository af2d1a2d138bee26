"""Images that are being downloaded, and where their bytes came from, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kelvin_provision.quantity import format_bytes, format_duration, format_rate
from kelvin_provision.queries.transfers import describe_origin

if TYPE_CHECKING:
    from kelvin_provision.queries.transfers import ImageTransfer


def describe(image: ImageTransfer) -> str:
    """`36.0 MiB, already present`; `12.3 MiB of 36.0 MiB, 34%, 1.2 MiB/s, 20s left, 4.0 MiB already present`."""
    if image.size is None:
        return "the cluster pulls it" if image.pulled else "not resolved yet"
    origin = describe_origin(image)
    if image.complete:
        return f"{format_bytes(image.size)}, {origin or 'complete'}{', importing' if image.verb == 'importing' else ''}"
    parts = [f"{format_bytes(image.here)} of {format_bytes(image.size)}", f"{100 * image.here // image.size}%"]
    if image.rate:
        parts.append(format_rate(image.rate))
    if image.seconds_left is not None:
        parts.append(f"{format_duration(image.seconds_left)} left")
    return ", ".join([*parts, origin] if origin else parts)


def summary(images: Sequence[ImageTransfer]) -> str:
    """For a cell of a table: images by the last part of their names."""
    return "; ".join(f"{image.image.partition('@')[0].rpartition('/')[2]}: {describe(image)}" for image in images)
