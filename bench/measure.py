"""Whole processes, timed from outside: wall seconds and the peak memory of the largest one."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of the table. `bound` is what the ratio (or the figure) may be at the most."""

    what: str
    ours: str
    other: str
    figure: float
    bound: float
    unit: str = "x"

    def __str__(self) -> str:
        verdict = "ok" if self.figure <= self.bound else "OVER"
        return (
            f"{self.what:<58} {self.ours:>12} {self.other:>12} {self.figure:>8.2f}{self.unit:<4} {self.bound:>7.2f}{self.unit:<4} {verdict}"
        )


HEADER = f"{'':<58} {'ours':>12} {'other':>12} {'figure':>12} {'bound':>11}"


def require(condition: object, why: object) -> None:
    """End the bench: what it measures does not work."""
    if not condition:
        sys.exit(f"cannot be measured: {why}")


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Wall seconds of a command that must succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    spent = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.decode(errors='replace')[-2000:]}")
    return spent


def account(command: Sequence[str]) -> tuple[int, int]:
    """Bytes that were resident at most, and bytes that were given to a disk, by the kernel's account of the process."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_maxrss * 1024, used.ru_oublock * 512)"
    )
    peak, written = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True).stdout.split()
    return int(peak), int(written)


def paired(ours: Callable[[], float], other: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Medians of both and of the ratio pair by pair, after one round that warms up; so that a machine's drift cancels out."""
    ours(), other()
    pairs = [(ours(), other()) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def program(*words: str) -> list[str]:
    """Our program as it is installed beside this interpreter."""
    return [os.path.join(os.path.dirname(sys.executable), "kelvin-provision"), *words]  # noqa: PTH118, PTH120


def cpu_of(pid: int) -> float:
    """Seconds of the process and of the children that it has waited for (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def peak_of(pid: int | str) -> int:
    """Peak resident bytes of a living process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
