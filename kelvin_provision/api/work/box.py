"""The box behind the API: everything that reads or writes the ledger happens in one thread, with a patience that clients have.

The event loop itself only asks whether the ledger has changed, which takes microseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from kelvin_provision.agent.lifecycle.place import Place
from kelvin_provision.api.work.lines import Lines
from kelvin_provision.api.work.patience import LEDGER, hurried
from kelvin_provision.connections import Wiring
from kelvin_provision.context import Context, opened
from kelvin_provision.errors import CannotWrite
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.model import Settings

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Sized)

_LOOK = 1.0
"""Seconds between two looks at whether the ledger is still the same file."""
KEPT_BYTES = 4 << 20
KEPT = 256
"""Answers that are kept until the ledger changes. Each has a question, which may be longer than it."""


class Box:
    """Use it as a context manager. `actor` of what is done stands in the history."""

    def __init__(self, settings: Settings, wiring: Wiring) -> None:
        self.settings = settings
        self.wiring = hurried(wiring)
        self._stack = ExitStack()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="box")
        self._made: dict[Hashable, asyncio.Future[Any]] = {}
        self._version: object = None

    def __enter__(self) -> Self:
        self._ctx = self._stack.enter_context(opened(self.settings, self.wiring))
        self._watched = self._stack.enter_context(Ledger(self._ctx.ledger.path, clock=self.wiring.clock, busy_timeout=LEDGER))
        self._lines = Lines(self._ctx, self._thread.submit)
        self._place = Place(self._ctx.ledger.path, interval=_LOOK)
        self._stack.enter_context(self._thread)  # ends first: what is queued, such as lines of the history, needs the ledger
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def first(self, function: Callable[[Context], object]) -> None:
        """Call it here and now, before anything is served."""
        function(self._ctx)

    def version(self) -> object:
        """Changes with every commit to the ledger. Raises CannotWrite if that was removed or replaced."""
        if gone := self._place.gone():
            raise CannotWrite(f"{gone} while the API was using it", hint="restart the API")
        return self._watched.version()

    async def ask(self, function: Callable[Concatenate[Context, P], T], *words: P.args, **named: P.kwargs) -> T:
        """Call it in the thread of the box."""
        return await self.act("", function, *words, **named)

    async def act(self, actor: str, function: Callable[Concatenate[Context, P], T], *words: P.args, **named: P.kwargs) -> T:
        """The same, in the name of an actor."""
        ctx = replace(self._ctx, actor=actor)
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(ctx, *words, **named))

    async def cached(self, key: Hashable, function: Callable[[Context], S]) -> S:
        """The answer to a question that depends on the ledger alone: made once until the ledger changes, however many ask."""
        version = self.version()
        if version != self._version:
            self._made.clear()
            self._version = version
        pending = self._made.get(key)
        if pending is None:
            pending = self._made[key] = asyncio.ensure_future(self.ask(function))
            pending.add_done_callback(lambda done: self._settle(key, done))
        answer: S = await asyncio.shield(pending)
        return answer

    def later(self, function: Callable[[], None]) -> None:
        """Call it in the thread of the box, without waiting for it."""
        self._thread.submit(function)

    def record(self, who: str, action: str, outcome: str, detail: str) -> None:
        """A line of the history, soon."""
        self._lines.add(who, action, outcome, detail)

    def _settle(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        """Forget a failure, and the oldest answers when there are too many bytes of them."""
        if (done.cancelled() or done.exception()) and self._made.get(key) is done:
            del self._made[key]
        ended = {name: len(answer.result()) for name, answer in self._made.items() if answer.done() and not answer.exception()}
        total, count = sum(ended.values()), len(ended)
        for name, size in ended.items():
            if total <= KEPT_BYTES and count <= KEPT:
                break
            total, count = total - size, count - 1
            del self._made[name]
