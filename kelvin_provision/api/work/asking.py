"""Questions for which the cluster must be asked: the agent asks it, and answers on its socket. One is started when none is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kelvin_provision.agent.answering import TIME, short_path, socket_path
from kelvin_provision.agent.asking import LARGEST, PATIENCE, PAUSE, from_line, to_line, too_late, unanswered
from kelvin_provision.api.work.box import Box
from kelvin_provision.context import Context
from kelvin_provision.errors import OurBug
from kelvin_provision.usecases.operation import wake

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def asked(box: Box, question: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of the agent. Raises its error; AgentSilent if there is no agent, ClusterUnreachable if there is no answer in time."""
    reader, writer = await _connected(box)
    try:
        writer.write(to_line(question, arguments))
        line = await asyncio.wait_for(reader.readline(), TIME)
    except (TimeoutError, OSError) as error:
        raise too_late() from error
    except ValueError as error:
        raise OurBug(f"the answer of the agent has more than {LARGEST} bytes", hint="ask for less") from error
    finally:
        writer.close()
    return from_line(line)


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
