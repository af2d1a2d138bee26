"""Bodies of uploads, from the connection to the disk: 64 KiB at a time, in threads of their own. No disk holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect

from kelvin_provision.api.work.box import Box
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.tidying import EVERY, Tidying
from kelvin_provision.uploads.writing import Writer

P = ParamSpec("P")
T = TypeVar("T")
PIECE = 64 << 10
_THREADS = 2


class Uploading:
    """The uploads of the box behind the API. A thread is started when it is needed."""

    def __init__(self, box: Box) -> None:
        self.uploads = Uploads(box.settings.state_dir)
        self._tidying = Tidying(self.uploads)
        self._box = box
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads")

    def close(self) -> None:
        self._threads.shutdown()

    async def do(self, function: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """Call it in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *words, **named))

    @asynccontextmanager
    async def writing(self, identifier: str) -> AsyncIterator[Writer]:
        """Raises Locked, UploadUnknown."""
        writer = await self.do(Writer, self.uploads, identifier)
        try:
            yield writer
        finally:
            await asyncio.shield(self.do(writer.close))  # also where the API is ending: the thread may be at it

    async def receive(self, writer: Writer, parts: AsyncIterator[bytes]) -> int:
        """All of a body; returns the offset that is durable then. What came of a body that was cut off is kept, too.

        Raises what `parts` raises, and what writing raises.
        """
        gathered = bytearray()
        try:
            async for part in parts:
                gathered += part
                if len(gathered) >= PIECE:
                    full, gathered = gathered, bytearray()
                    await self.do(writer.write, full)
        except (ClientDisconnect, ProvisionError):
            await self.do(_kept, writer, gathered)
            raise
        return await self.do(_kept, writer, gathered)

    async def tidy(self) -> None:
        """Until it is cancelled: what a crash has left, and idle uploads."""
        with suppress(OSError):
            await self.do(self.uploads.sweep)
        while True:
            await asyncio.sleep(EVERY)
            with suppress(OSError, ProvisionError):
                media = await self._box.ask(_media)
                for name in await self.do(self._tidying.take, media):
                    self._box.record("api", "upload", "removed", f"{name[:100]}, after a week without a byte")


def _media(ctx: Context) -> frozenset[str]:
    """Where imported bundles are. Uploads among them are removed by the agent, when all of it is staged."""
    return frozenset(medium.place for bundle in ctx.ledger.bundles() for medium in bundle.media)


def _kept(writer: Writer, rest: bytes | bytearray) -> int:
    writer.write(rest)
    return writer.commit()
