"""Questions for which the cluster must be asked: the agent asks it, and answers on its socket. One is started when none is alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from kelvin_provision.agent.questions.answering import TIME, short_path, socket_path
from kelvin_provision.agent.questions.asking import (
    LARGEST,
    PATIENCE,
    PAUSE,
    document_of,
    from_line,
    to_line,
    too_late,
    too_long,
    unanswered,
)
from kelvin_provision.api.work.box import Box
from kelvin_provision.context import Context
from kelvin_provision.errors import AgentSilent, OurBug
from kelvin_provision.usecases.waking import wake

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def asked(box: Box, question: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of the agent. Raises its error; AgentSilent if there is no agent, ClusterUnreachable if there is no answer in time."""
    reader, writer = await _connected(box)
    try:
        writer.write(to_line(question, arguments))
        line = await asyncio.wait_for(_line(reader), TIME)
    except (TimeoutError, OSError) as error:
        raise too_late() from error
    finally:
        writer.close()
    return from_line(line)


async def job(box: Box, name: str, arguments: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """The lines of a job of the agent (`kelvin_provision.jobs`) up to its result. Close it to end the job. Raises as `asked`."""
    reader, writer = await _connected(box)
    try:
        writer.write(to_line(name, arguments))
        while True:
            document = document_of(await _line(reader))
            yield document
            if "result" in document:
                return
    except OSError as error:
        raise AgentSilent("the agent ended while it was at work", hint="try again in a moment") from error
    finally:
        writer.close()


async def result_of_job(box: Box, name: str, arguments: Mapping[str, Any], patience: float) -> Any:
    """Raises as `asked`."""
    try:
        async with asyncio.timeout(patience), aclosing(job(box, name, arguments)) as lines:
            async for line in lines:
                if "result" in line:
                    return line["result"]
    except TimeoutError as error:
        raise too_late(patience) from error
    raise OurBug(f"the job {name} has no result")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError as error:
        raise too_long() from error


async def _connected(box: Box) -> Streams:
    """A connection to the agent, which is started if none is alive."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    woken = False
    while True:
        try:
            with short_path(socket_path(box.settings.state_dir)) as path:
                return await asyncio.open_unix_connection(path, limit=LARGEST)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise unanswered() from error
        if not woken:
            await box.ask(_wake)
            woken = True
        await asyncio.sleep(PAUSE)


def _wake(ctx: Context) -> None:
    wake(ctx)
