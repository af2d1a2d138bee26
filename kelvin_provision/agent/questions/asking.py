"""The other end of `answering`: a question to the agent as a line, and its answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kelvin_provision import refusals  # noqa: F401  (its errors may be in an answer)
from kelvin_provision.agent.questions.answering import TIME, short_path, socket_path
from kelvin_provision.errors import AgentSilent, ClusterUnreachable, OurBug
from kelvin_provision.errors.documents import from_document
from kelvin_provision.hints import command

PATIENCE = 4.0
"""Seconds for an agent that was just started to open its socket."""
PAUSE = 0.05
LARGEST = 16 << 20


def ask(state_dir: Path, question: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of the agent, which is alive or about to be. Raises its error; AgentSilent, ClusterUnreachable without one in time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIME)
                with short_path(socket_path(state_dir)) as path:
                    connection.connect(path)
                return _asked(connection, to_line(question, arguments))
        except OSError as error:
            if time.monotonic() > deadline:
                raise unanswered() from error
        time.sleep(PAUSE)


def to_line(question: str, arguments: Mapping[str, Any]) -> bytes:
    return json.dumps({"question": question, "arguments": arguments}).encode() + b"\n"


def from_line(line: bytes) -> Any:
    """The result. Raises the error in it, AgentSilent for half a line, OurBug for one that is too long."""
    return document_of(line)["result"]


def document_of(line: bytes) -> dict[str, Any]:
    """A line of a job has something else than a result, until the last one. Raises as `from_line`."""
    if not line.endswith(b"\n"):
        if len(line) >= LARGEST:
            raise too_long()
        raise AgentSilent("the agent ended while it was asked", hint="try again in a moment")
    document: dict[str, Any] = json.loads(line)
    if "error" in document:
        raise from_document(document["error"])
    return document


def too_late(seconds: float = TIME) -> ClusterUnreachable:
    return ClusterUnreachable(f"there was no answer within {seconds:g} s", hint="try again in a moment")


def too_long() -> OurBug:
    return OurBug(f"the answer of the agent has more than {LARGEST} bytes", hint="ask for less")


def unanswered() -> AgentSilent:
    return AgentSilent("the agent does not answer questions", hint=command("agent restart"))


def _asked(connection: socket.socket, line: bytes) -> Any:
    try:
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return from_line(answer.readline(LARGEST))
    except OSError as error:
        raise too_late() from error
