"""CPU and memory as the platform writes them, in the units of Docker Engine. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

from kelvin_provision.errors import RequestRefused

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(K|M|G|Ki|Mi|Gi|)")
_CPU = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|)")
SHARES_OF_ONE_CPU = 1024
SHARES_LEAST = 2  # the kernel's floor


def bytes_of(text: str, where: str) -> int:
    """`256Mi`, `1.5G` in bytes; raises RequestRefused, which names `where`."""
    found = _MEMORY.fullmatch(text)
    if not found:
        raise RequestRefused(f"{where}: {text} is not an amount of memory such as 256Mi")
    return int(Decimal(found[1]) * _FACTORS[found[2]])


def _cpus(text: str, where: str) -> Decimal:
    found = _CPU.fullmatch(text)
    if not found:
        raise RequestRefused(f"{where}: {text} is not an amount of CPU such as 0.4 or 400m")
    return Decimal(found[1]) / (1000 if found[2] else 1)


def nano_cpus_of(text: str, where: str) -> int:
    """`0.4`, `400m` in billionths of a CPU; raises RequestRefused, which names `where`."""
    return int(_cpus(text, where) * 10**9)


def shares_of(text: str, where: str) -> int:
    """`0.4`, `400m` as a weight of which one CPU is 1024, as the kubelet reckons it."""
    return max(SHARES_LEAST, int(_cpus(text, where) * SHARES_OF_ONE_CPU))
