"""CPU and memory in the units of Docker Engine. Pure."""

from __future__ import annotations

from decimal import Decimal

from kelvin_provision.cluster import quantities
from kelvin_provision.errors import RequestRefused

CPU_SHARES = 1024
"""The weight of one CPU."""

MIN_CPU_SHARES = 2  # the kernel's minimum


def memory_bytes(text: str, field: str) -> int:
    """`256Mi`, `1.5G` in bytes; raises RequestRefused, which names `field`."""
    return int(_parse(text, field, "an amount of memory such as 256Mi"))


def nano_cpus(text: str, field: str) -> int:
    """`0.4`, `400m` in billionths of a CPU; raises RequestRefused, which names `field`."""
    return int(_cpus(text, field) * 10**9)


def cpu_shares(text: str, field: str) -> int:
    """`0.4`, `400m` as a weight, calculated as the kubelet does."""
    return max(MIN_CPU_SHARES, int(_cpus(text, field) * CPU_SHARES))


def _cpus(text: str, field: str) -> Decimal:
    return _parse(text, field, "an amount of CPU such as 0.4 or 400m")


def _parse(text: str, field: str, expected: str) -> Decimal:
    value = quantities.parse(text)
    if value is None or value < 0:
        raise RequestRefused(f"{field}: {text} is not {expected}")
    return value
