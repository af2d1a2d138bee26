"""An upload that is cut off again and again: bytes that are sent for those that arrive, memory and processor time of the API."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import api
from bench.measure import Row, cpu_of, require, resident
from kelvin_provision.access.levels import Level

SIZE, CUTS = 1 << 30, 20
CHUNK = 8 << 20
_PIECE = 256 << 10


def rows(folder: Path) -> Iterator[Row]:
    block = random.Random(1).randbytes(CHUNK)  # noqa: S311  (no secret)
    place = folder / "uploading"
    (place / "state").mkdir(parents=True, mode=0o700)
    with api.served(place, Level.DEPLOY) as served:
        upload = _Upload(served)
        upload.send(block, CHUNK)
        before, spent = resident(served.pid), cpu_of(served.pid)
        sent = upload.send_all(block)
        spent, grown = cpu_of(served.pid) - spent, resident(served.pid) - before
        content = place / "state" / "uploads" / upload.identifier / "bundle.kpb"
        require(content.stat().st_size == SIZE, "the upload is not whole")
        with content.open("rb") as file:
            require(all(file.read(CHUNK) == block for _ in range(SIZE // CHUNK)), "other bytes were stored than were sent")
    what = f"upload of {SIZE >> 20} MiB, cut off {CUTS} times"
    yield Row(f"{what}: bytes sent", f"{sent >> 20} MiB", f"{SIZE >> 20} MiB", sent / SIZE, 1.02)
    yield Row(f"{what}: memory of the API", f"{grown:.1f} MiB", "-", grown, 4.0, "MiB")
    yield Row(f"{what}: processor time", f"{spent:.1f} s", "-", spent, 15.0, "s")


class _Upload:
    def __init__(self, served: api.Served) -> None:
        self._served = served
        self._headers = {"Authorization": f"Bearer {served.token}"}
        document = self._ask("POST", "/edge/v1/uploads", json.dumps({"name": "bench.kpb", "size": SIZE}).encode())
        self.identifier, self.offset = str(document["id"]), 0

    def send_all(self, block: bytes) -> int:
        """From where it is; returns all bytes that went out, also in vain. Each cut is somewhere in a chunk."""
        dice, sent, start = random.Random(2), self.offset, self.offset  # noqa: S311  (no secret)
        cuts = sorted(dice.randrange(start, SIZE) for _ in range(CUTS))
        while self.offset < SIZE:
            until_cut = cuts[0] - self.offset if cuts and cuts[0] < self.offset + CHUNK else CHUNK
            if until_cut < CHUNK:
                cuts.pop(0)
            sent += self.send(block[self.offset % CHUNK :] + block[: self.offset % CHUNK], max(until_cut, 1))
        return sent

    def send(self, data: bytes, most: int) -> int:
        """A chunk, of which no more than this goes out before the connection is cut; returns how much did."""
        size = min(len(data), SIZE - self.offset)
        connection = self._served.connection()
        connection.connect()
        assert isinstance(connection.sock, socket.socket)  # noqa: S101  (just connected)
        connection.putrequest("PUT", f"/edge/v1/uploads/{self.identifier}")
        for name, value in {**self._headers, "Upload-Offset": str(self.offset), "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        view = memoryview(data)[: min(size, most)]
        for at in range(0, len(view), _PIECE):
            connection.send(view[at : at + _PIECE])
        if len(view) == size:
            answer = connection.getresponse()
            require(answer.status == http.client.NO_CONTENT, f"{answer.status} {answer.read()[:500]!r}")
            self.offset = int(answer.headers["Upload-Offset"])
        connection.close()
        if len(view) < size:
            self._look()
        return len(view)

    def _look(self) -> None:
        """Once the box has noticed that the connection is gone."""
        while True:
            document = self._ask("PUT", f"/edge/v1/uploads/{self.identifier}", b"", {"Upload-Offset": str(SIZE)}, http.client.CONFLICT)
            if (payload := document["errors"][0]["payload"]) is not None:
                self.offset = int(payload["offset"])
                return
            time.sleep(0.01)

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, status: int = 0) -> Any:
        connection = self._served.connection()
        connection.request(method, path, body, {**self._headers, **(headers or {})})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        require(answer.status == status or (not status and answer.status < 300), f"{answer.status} {document}")
        connection.close()
        return document
