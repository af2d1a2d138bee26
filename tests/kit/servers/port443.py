"""Clients that know no other port: an address of this process alone, whose port 443 leads to a server on this machine."""

import asyncio
import contextlib
import os
import threading

import pytest

PIECE = 1 << 16


def own_address():
    """All of 127.0.0.0/8 is this machine."""
    pid = os.getpid()
    return f"127.{64 + (pid >> 16) % 64}.{(pid >> 8) % 256}.{pid % 256}"


@contextlib.contextmanager
def at_443(port):
    """Yields that address. Skips for users who may not listen on such a port."""
    ready, state = threading.Event(), {}

    async def pour(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def relay(reader, writer):
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(back):
                await asyncio.gather(pour(reader, back), pour(there, writer))

    async def serve():
        state["end"] = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(relay, own_address(), 443)
        except PermissionError as error:
            state["refused"] = error
            return
        finally:
            ready.set()
        await state["end"][1].wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    if "refused" in state:
        thread.join()
        pytest.skip(f"port 443: {state['refused']}")
    try:
        yield own_address()
    finally:
        loop, ended = state["end"]
        loop.call_soon_threadsafe(ended.set)
        thread.join()
