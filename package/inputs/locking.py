"""Renews the lock: what apt and pip give today."""

from __future__ import annotations

from pathlib import Path

from package.inputs import debian, lock, wheels

PROJECT = Path(__file__).parents[2]


def renewed() -> lock.Lock:
    debs, found = set(), set()
    wanted = wheels.requirements(PROJECT)
    for architecture in lock.ARCHITECTURES:
        debs |= set(debian.newest(architecture))
        found |= set(wheels.newest(architecture, wanted))
    build = wheels.newest(lock.ARCHITECTURES[0], wheels.BUILD)
    return lock.Lock(tuple(sorted(debs)), tuple(sorted(found)), tuple(sorted(build)))


def renew() -> None:
    lock.write(renewed())
