"""The certificate of the API for people, and an address as a QR code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cli.render.report import SCHEMA, Line, Tone
from kelvin_provision.tls.x509 import Certificate
from kelvin_provision.usecases.api_certificate import ApiCertificate

_QUIET = 2
"""Light modules around a QR code. The norm says four; readers do with two, and a narrow terminal has the room."""


def document(shown: ApiCertificate, urls: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "certificate": _described(shown.chain.leaf, now),
        "authority": _described(shown.authority.leaf, now) if shown.authority else None,
        "path": str(shown.chain.path),
        "missing": list(shown.missing),
        "urls": list(urls),
    }


def _described(certificate: Certificate, now: datetime) -> dict[str, Any]:
    return {
        "fingerprint": certificate.fingerprint,
        "begins": timestamps.rfc3339(certificate.begins),
        "ends": timestamps.rfc3339(certificate.ends),
        "days_left": int(certificate.days_left(now)),
        "names": list(certificate.names),
    }


def lines(shown: ApiCertificate, urls: Sequence[str], now: datetime) -> tuple[Line, ...]:
    leaf = shown.chain.leaf
    days = leaf.days_left(now)
    rows = [
        Line("certificate, SHA-256", Tone.TITLE),
        Line(f"  {leaf.fingerprint}"),
        Line(
            f"  valid until {leaf.ends:%Y-%m-%d}, {f'{days:.0f} days left' if days >= 0 else 'it has expired'}",
            Tone.PLAIN if days >= 0 else Tone.BAD,
        ),
        Line(f"  for {', '.join(leaf.names)}"),
    ]
    if shown.missing:
        rows.append(Line(f"  not for {', '.join(shown.missing)}", Tone.BAD))
    if shown.authority:
        authority = shown.authority.leaf
        rows += [
            Line("authority, SHA-256", Tone.TITLE),
            Line(f"  {authority.fingerprint}"),
            Line(f"  valid until {authority.ends:%Y-%m-%d}"),
        ]
    else:
        rows.append(Line(f"  from {shown.chain.path}"))
    return (*rows, *(Line(url) for url in urls))


def qr_code(text: str, *, encoding: str, width: int) -> tuple[Line, ...]:
    """Two rows a line, light on dark as most terminals are; nothing where it cannot be drawn or the library is not installed."""
    try:
        "▀▄█".encode(encoding)
        import segno
    except (UnicodeEncodeError, ImportError):
        return ()
    matrix = [[not dark for dark in row] for row in segno.make(text, micro=False, error="m", boost_error=False).matrix]
    size = len(matrix) + 2 * _QUIET
    if size > width:
        return ()
    side, edge = [True] * _QUIET, [[True] * size] * _QUIET
    rows = [*edge, *([*side, *row, *side] for row in matrix), *edge]
    rows += [[False] * size] * (len(rows) % 2)
    return tuple(
        Line("".join(" ▄▀█"[2 * upper + lower] for upper, lower in zip(above, below, strict=True)))
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    )
