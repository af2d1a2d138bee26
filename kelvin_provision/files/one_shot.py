"""A process of ours that computes one thing with `cryptography`, and takes it along when it ends: it takes 9 MiB of memory."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec

from kelvin_provision.errors import ApiMissing, Locked, OurBug
from kelvin_provision.files.processes import own_process

TIMEOUT = 60.0
"""Seconds: it computes for milliseconds; the rest is for a box that is busy."""


def computed(module: str, order: bytes, *, purpose: str, needs: str, timeout: float = TIMEOUT) -> bytes:
    """What the module answers to this order; through pipes, so that nothing of it is in a list of processes.

    Raises Locked if it takes too long, ApiMissing without `cryptography`, OurBug if it ended in any other way than with success.
    """
    try:
        done = subprocess.run(own_process(module), input=order, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Locked(f"this box is too busy to {purpose}", hint="try again when it has less to do") from None
    if done.returncode == 0:
        return done.stdout
    if find_spec("cryptography") is None:
        raise ApiMissing(f"{needs} need cryptography")
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    ended = f"by signal {-done.returncode}" if done.returncode < 0 else f"without success: {last[:200]}"
    raise OurBug(f"the process that was to {purpose} ended {ended}")
