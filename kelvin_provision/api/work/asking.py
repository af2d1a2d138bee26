"""Questions for which the cluster must be asked: the agent asks it, and answers on its socket. One is started when none is alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from kelvin_provision import refusals  # noqa: F401  (its errors may be in an answer)
from kelvin_provision.agent.answering import TIME, short_path, socket_path
from kelvin_provision.api.work.box import Box
from kelvin_provision.context import Context
from kelvin_provision.errors import AgentSilent, ClusterUnreachable, OurBug
from kelvin_provision.errors.documents import from_document
from kelvin_provision.hints import command
from kelvin_provision.usecases.operation import wake

LARGEST = 16 << 20
PATIENCE = 4.0
"""Seconds for an agent that was just started to open its socket."""
_PAUSE = 0.05
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def asked(box: Box, question: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of the agent. Raises its error; AgentSilent if there is no agent, ClusterUnreachable if there is no answer in time."""
    reader, writer = await _connected(box)
    try:
        writer.write(json.dumps({"question": question, "arguments": arguments}).encode() + b"\n")
        line = await asyncio.wait_for(reader.readline(), TIME)
    except (TimeoutError, OSError) as error:
        raise ClusterUnreachable(f"there was no answer within {TIME:g} s", hint="try again in a moment") from error
    except ValueError as error:
        raise OurBug(f"the answer of the agent has more than {LARGEST} bytes", hint="ask for less") from error
    finally:
        writer.close()
    return _result(line)


def _result(line: bytes) -> Any:
    if not line.endswith(b"\n"):
        raise AgentSilent("the agent ended while it was asked", hint="try again in a moment")
    document = json.loads(line)
    if "error" in document:
        raise from_document(document["error"])
    return document["result"]


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
                raise AgentSilent("the agent does not answer questions", hint=command("agent restart")) from error
        if not woken:
            await box.ask(_wake)
            woken = True
        await asyncio.sleep(_PAUSE)


def _wake(ctx: Context) -> None:
    wake(ctx)
