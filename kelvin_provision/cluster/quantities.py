"""CPU and memory quantities, as Kubernetes and the platform write them: `100m`, `0.5`, `256Mi`, `1e3`. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "K": Decimal(10**3),  # `K` is the platform's spelling; Kubernetes knows `k` only
    "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def parse(text: str) -> Decimal | None:
    """The exact value: CPUs for CPU, bytes for memory. None for what is not a quantity."""
    match = _QUANTITY.fullmatch(text)
    unit = _UNITS.get(match[2]) if match else None
    return Decimal(match[1]) * unit if match and unit is not None else None


def kubernetes_spelling(text: str) -> str:
    """The quantity as the API server accepts it: the platform's `K` is `k` there."""
    return f"{text[:-1]}k" if text.endswith("K") else text
