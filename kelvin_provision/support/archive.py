"""Sections into a stream of tar.gz. All text passes the redactor; what could not be collected is listed in the manifest.

One section is in memory at a time. Each has bounded size and time, because a bundle is made when something is broken.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import ProvisionError, TransferStopped
from kelvin_provision.masking.redactor import RULES, Redactor
from kelvin_provision.staging.threads import run_abandonable

Content = str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]]
"""Text, a document, or lines of either; lines of text include their newline."""
Section = Callable[[], Content]
"""It may raise, also while its lines are consumed: lines before that are kept."""

MAX_BYTES = 2 << 20
"""Of one section."""
SECONDS = 20.0
"""Timeout of one section."""
SCHEMA = 1


@dataclass
class Bundle:
    """The content and, afterwards, the result: `files` with their sizes, `missing` with the reasons. `about` begins the manifest."""

    folder: str
    sections: Mapping[str, Section]
    redactor: Redactor
    about: Mapping[str, Any]
    stop: Callable[[], bool] = lambda: False
    seconds: float = SECONDS
    most: int = MAX_BYTES
    files: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """The archive; can be iterated once. Raises TransferStopped when `stop` returns true."""
        pipe = _Pipe()
        with tarfile.open(mode="w|gz", fileobj=pipe, bufsize=64 * 1024) as tar:
            for name, section in self.sections.items():
                data = self._taken(name, section)
                if data:
                    self._add(tar, name, data)
                yield pipe.taken()
            self._add(tar, "redaction.txt", _text(self.redactor.stream(_rules())))
            self._add(tar, "manifest.json", _text(self.redactor.stream([_line(self.redactor.document(self._manifest()), indent=2)])))
        yield pipe.taken()

    def _taken(self, name: str, section: Section) -> bytes:
        """The bytes of a section that arrived in time; `missing` gets the reason for the rest."""
        data, until = bytearray(), time.monotonic() + self.seconds

        def fill() -> None:
            for text in self.redactor.stream(_lines(section(), self.redactor)):
                data.extend(text.encode("utf-8", "backslashreplace"))
                if len(data) > self.most:
                    return

        try:
            run_abandonable(fill, lambda: self.stop() or time.monotonic() > until)
        except TransferStopped:
            if self.stop():
                raise
            self.missing[name] = f"no answer within {self.seconds:.0f} s"
        except ProvisionError as error:
            self.missing[name] = self.redactor.text("; ".join((str(error), *error.evidence)))
        except OSError as error:
            self.missing[name] = self.redactor.text(f"{(error.strerror or str(error)).lower()}: {error.filename}")
        except Exception as error:  # noqa: BLE001  (a bug in one section must not cost the others)
            self.missing[name] = self.redactor.text(f"{type(error).__name__}: {error}")
        if len(data) <= self.most:
            return bytes(data)
        self.missing[name] = f"truncated to {self.most} bytes"
        return bytes(data[: data.rfind(b"\n", 0, self.most) + 1])

    def _add(self, tar: tarfile.TarFile, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(f"{self.folder}/{name}")
        entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
        tar.addfile(entry, io.BytesIO(data))
        self.files[name] = len(data)

    def _manifest(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            **self.about,
            "files": [{"file": name, "bytes": size} for name, size in self.files.items()],
            "missing": [{"file": name, "why": why} for name, why in self.missing.items()],
            "redacted": [{"rule": rule.id, "what": rule.what, "times": self.redactor.counts[rule.id]} for rule in RULES],
        }


class _Pipe(io.RawIOBase):
    """Buffers what the archive writes."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        """Return and clear the buffer."""
        held, self._held = bytes(self._held), bytearray()
        return held


def _lines(content: Content, redactor: Redactor) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield _line(redactor.document(content), indent=2)
    else:
        for item in content:
            yield item if isinstance(item, str) else _line(redactor.document(item))


def _line(document: Any, indent: int | None = None) -> str:
    return json.dumps(document, indent=indent, ensure_ascii=False, default=str) + "\n"


def _text(chunks: Iterable[str]) -> bytes:
    return "".join(chunks).encode("utf-8", "backslashreplace")


def _rules() -> Iterator[str]:
    yield "These rules were applied to everything in this archive; *** is shown in place of what was removed.\n"
    yield "manifest.json contains how often each rule matched.\n\n"
    for rule in RULES:
        yield f"{rule.id} - {rule.what}.\n"
