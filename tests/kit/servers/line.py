"""A line to a server of this machine that may go dead: its connections then stay open, and carry nothing more."""

import asyncio
import contextlib
import threading

PIECE = 1 << 16


class Line:
    """`port` is its own end, `carried` the bytes that the server has sent over it. Raises OSError where it may not listen.

    After its client was killed, it reads from the server until it notices. Wait until `connections` is 0 before you read `carried`.
    """

    def __init__(self, server_port, address="127.0.0.1", port=0):
        self.carried, self.connections = 0, 0
        self._server_port, self._at = server_port, (address, port)
        self._ready, self._refused = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        if self._refused:
            self._thread.join()
            raise self._refused
        return self

    def __exit__(self, *error):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def die(self):
        """The connections that are open carry nothing more; later ones wait for `revive`."""
        self._loop.call_soon_threadsafe(self._cut)

    def revive(self):
        """For new connections, and those that wait; the dead ones stay dead."""
        self._loop.call_soon_threadsafe(self._open.set)

    def _count(self, size):
        self.carried += size

    def _cut(self):
        self._open.clear()
        self._life.set()
        self._life = asyncio.Event()

    async def _serve(self):
        self._loop, self._ended, self._open, self._life = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._open.set()
        try:
            server = await asyncio.start_server(self._connect, *self._at)
        except OSError as error:
            self._refused = error
            return
        else:
            self.port = server.sockets[0].getsockname()[1]
        finally:
            self._ready.set()
        await self._ended.wait()
        server.close()

    async def _connect(self, reader, writer):
        self.connections += 1
        try:
            await self._relay(reader, writer)
        finally:
            self.connections -= 1

    async def _relay(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            await self._open.wait()
            life = self._life
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
            with contextlib.closing(back):
                pours = [asyncio.ensure_future(_pour(reader, back, bool)), asyncio.ensure_future(_pour(there, writer, self._count))]
                dead = asyncio.ensure_future(life.wait())
                both = asyncio.gather(*pours, return_exceptions=True)
                await asyncio.wait((both, dead), return_when=asyncio.FIRST_COMPLETED)
                dead.cancel()
                for pour in pours:
                    pour.cancel()
                await both
                if life.is_set():
                    await self._ended.wait()


async def _pour(reader, writer, count):
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE):
            count(len(data))
            writer.write(data)
            await writer.drain()
        writer.write_eof()
