"""Deploys, each in a child process that ends with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kelvin_provision import refusals  # noqa: F401  (its errors may be in an answer)
from kelvin_provision.errors import Locked, OurBug
from kelvin_provision.errors.documents import from_document
from kelvin_provision.files.processes import own_process

TIMEOUT = 30.0
"""Seconds after which a child is killed. It stores all of a request or nothing, so nothing is left behind."""

Deploy = Callable[["Head", bytes], Awaitable["Deployed"]]
"""From who wants what, and the body of the request, to what was deployed. Raises what `usecases.deploy` and `configure` raise."""


@dataclass(frozen=True)
class Head:
    """`names` has the workload whose configuration the body has, or with `fields` those that get some fields; empty for a whole request.

    `signatures` are those of a whole request, None where there are none: they are over exactly the bytes of the body. `form`: json or yaml.
    With `only_check` nothing is stored, and the answer has what would be.
    """

    actor: str
    names: tuple[str, ...] = ()
    fields: bool = False
    signatures: str | None = None
    form: str = "json"
    only_check: bool = False


@dataclass(frozen=True)
class Deployed:
    """`batch` is what its revisions have in common, and no others."""

    names: tuple[str, ...]
    batch: str
    warnings: tuple[str, ...] = ()
    specs: tuple[Mapping[str, Any], ...] = ()


class ChildProcess:
    """`words` are the arguments of `api.child`."""

    def __init__(self, words: Sequence[str]) -> None:
        self._command = (*own_process("kelvin_provision.api.work.child"), *words)

    async def deploy(self, head: Head, body: bytes) -> Deployed:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            output, complaints = await asyncio.wait_for(child.communicate(json.dumps(asdict(head)).encode() + b"\n" + body), TIMEOUT)
        except TimeoutError:
            raise Locked(
                "this box is too busy: the request was not read in time", hint="look whether it was stored, then try again"
            ) from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return parsed(output, complaints)


def parsed(output: bytes, complaints: bytes = b"") -> Deployed:
    """The document of the child. Raises the error that is in it."""
    try:
        document = json.loads(output)
    except ValueError:
        last = complaints.decode(errors="replace").strip().rpartition("\n")[2]
        raise OurBug(f"the process of a deploy ended without an answer: {last[:200]}") from None
    if "error" in document:
        raise from_document(document["error"])
    result = document["result"]
    return Deployed(tuple(result["names"]), result["batch"], tuple(result["warnings"]), tuple(result.get("specs", ())))
