"""Bytes of a container log to lines. Memory is bounded: a line without an end comes in parts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kelvin_provision import timestamps

MAX_LINE = 64 * 1024
"""Bytes of a line that are held together; the rest comes as a further line."""


@dataclass(frozen=True)
class LogLine:
    """One line that a workload wrote. `time` is RFC 3339 in UTC with nanoseconds; `source` is the pod (on Docker the container).

    `continues`: it is longer, and the rest comes as a further line.
    """

    source: str
    container: str
    time: str
    text: str
    continues: bool = False


def parse(source: str, container: str, chunks: Iterable[bytes], *, since: str = "") -> Iterator[LogLine]:
    """Lines of a log in which each begins with its time; bytes that are not UTF-8 are replaced.

    Lines before `since`, a `timestamps.normalized` time, are left out: clusters take whole seconds only.
    """
    time = ""
    for raw, continued, continues in _split(chunks):
        text = raw.decode("utf-8", "replace")
        if not continued:
            prefix, _, text = text.partition(" ")
            try:
                time = timestamps.normalized(prefix)
            except ValueError:
                continue  # a kubelet writes its own errors into the log: "unable to retrieve container logs for ..."
        if time >= since:
            yield LogLine(source, container, time, text.removesuffix("\r"), continues)


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
    """Lines, each with whether it continues the one before, and whether the next one continues it: cut at MAX_LINE."""
    rest, continued = b"", False
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line, continued, False
            continued = False
        while len(rest) > MAX_LINE:
            yield rest[:MAX_LINE], continued, True
            rest, continued = rest[MAX_LINE:], True
    if rest:
        yield rest, continued, False
