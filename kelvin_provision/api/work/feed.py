"""The stream of events: one look at the ledger for all clients, and what has changed since the one before.

There is one task while anybody listens, and none otherwise. What happened is kept in a bounded log, so that a client whose connection
was cut goes on where it was; one that was away for longer gets the whole list again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kelvin_provision.api.messages.documents import encoded
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.events import Log, framed, progress
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.queries.changes import Change, Watching
from kelvin_provision.queries.listing import Query
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.spec.enums import State

RETRY = 3000
"""Milliseconds after which a client whose stream was cut comes again."""
COMMENT = 15.0
"""Seconds of silence after which a comment is sent, so that a connection that is dead is noticed."""
REMEMBERED = 60.0
"""Seconds for which the place in the list is kept after the last listener has gone."""
_SHARE, _SLOWEST = 10.0, 1.5
"""A look is followed by a pause of this many times its own length, at most so many seconds: others need the box, too."""
LOG = logging.getLogger("kelvin_provision.api")


@dataclass(eq=False)
class Reader:
    """One stream of `user`. `at` is the number of the last event that it had, None where it needs the whole list.

    `page`: it is only told that something has changed, `changed` whether it is to be told so.
    """

    user: str
    names: frozenset[str]
    at: int | None
    page: bool = False
    changed: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    progress: dict[str, bytes] = field(default_factory=dict)
    ended: bool = False

    def wants(self, name: str) -> bool:
        return not self.names or name in self.names


@dataclass
class _State:
    """What is kept from look to look.

    `compared` is the version of the ledger at which all workloads were compared last, `version` that of the last look of any kind.
    """

    watching: Watching = field(default_factory=lambda: Watching(details=True))
    log: Log = field(default_factory=Log)
    compared: object = None
    version: object = None
    percents: Mapping[str, int] = field(default_factory=dict)


class Feed:
    """Streams of the changes of workloads, at most `most` of them, and of one user half of that: others still get one."""

    def __init__(self, box: Box, most: int) -> None:
        self._box = box
        self._most = most
        self._readers: set[Reader] = set()
        self._state = _State()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._readers)

    @property
    def version(self) -> object:
        """That of the ledger at the last look, while anyone listens."""
        return self._state.version

    async def open(self, user: str, names: frozenset[str], last_identifier: str, *, page: bool = False) -> Reader:
        """A place for a stream; give it back with `leave`. Raises Refusal, and what looking at the ledger raises.

        For pages only, a look costs the same however many workloads there are: no workload is read but those that download.
        """
        share = max(1, self._most // 2)
        if len(self._readers) >= self._most:
            raise Refusal("too-many-streams", f"{self._most} streams of events are open already (api.streams)")
        if sum(reader.user == user for reader in self._readers) >= share:
            raise Refusal("too-many-streams", f"{user} has {share} streams of events open already, half of what there is (api.streams)")
        reader = Reader(user, names, None, page=page, ended=self._closed)
        self._readers.add(reader)
        if self._forgetting:
            self._forgetting.cancel()
        try:
            if self._task is None or (not page and self._state.compared is None):
                await self._look()
                self._task = self._task or asyncio.ensure_future(self._follow())
        except BaseException:
            self.leave(reader)
            raise
        reader.at, reader.changed = self._state.log.number(last_identifier), False
        return reader

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        if not self._readers and not self._closed:
            self._forgetting = asyncio.get_running_loop().call_later(REMEMBERED, self._forget)

    def close(self) -> None:
        """End all streams in good order. From the thread of the event loop."""
        self._closed = True
        self._end_all()
        for pending in (self._task, self._forgetting):
            if pending:
                pending.cancel()

    async def part(self, reader: Reader) -> bytes:
        """What it has not had yet; a sign of life after a time without anything; empty at the end."""
        while not reader.ended:
            if reader.page:
                reader.news.clear()
                if reader.changed:
                    reader.changed = False
                    return framed("changed", b"{}")
            elif reader.at is None or not self._state.log.reaches(reader.at):
                return await self._whole(reader)
            else:
                reader.news.clear()
                if data := b"".join(self._taken(reader)):
                    return data
            try:
                await asyncio.wait_for(reader.news.wait(), COMMENT)
            except TimeoutError:
                return framed("alive", b"{}") if reader.page else b":\n\n"  # no script gets to see a comment
        return b""

    def _taken(self, reader: Reader) -> Iterator[bytes]:
        yield from (event.data for event in self._state.log.after(reader.at or 0) if reader.wants(event.workload))
        yield from reader.progress.values()
        reader.at, reader.progress = self._state.log.last, {}

    async def _whole(self, reader: Reader) -> bytes:
        """The list, read after the place was taken: what happens meanwhile comes twice, and nothing is missed."""
        at, identifier, percents = self._state.log.last, self._state.log.identifier, self._state.percents
        names = tuple(sorted(reader.names))
        body = await self._box.cached(("events", names), lambda ctx: _listed(ctx, names))
        reader.at, reader.progress = at, {name: progress(name, percent) for name, percent in percents.items() if reader.wants(name)}
        return framed("reset", b"{}", "") + body + framed("complete", b"{}", identifier)

    # --- looking ----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._readers:
                began = loop.time()
                await self._look()
                took = loop.time() - began
                await asyncio.sleep(max(self._box.wiring.timings.poll, min(took * _SHARE, _SLOWEST)))
        except ProvisionError:
            self._end_all()  # who comes again is told why
        except Exception:
            LOG.exception("the stream of events")
            self._end_all()
        finally:
            self._task = None

    async def _look(self) -> None:
        async with self._lock:
            state, version = self._state, self._box.version()
            changed = version != state.version
            if version != state.compared and not all(reader.page for reader in self._readers):
                changes, percents = await self._box.ask(_changed, state.watching)
                if state.compared is not None:
                    state.log.add(changes)
                state.compared = version
            elif changed:
                percents = await self._box.ask(_downloads)
            elif state.percents:
                percents = await self._box.ask(_percents, tuple(state.percents))
            else:
                return
            state.version = version
            self._tell(percents, changed=changed)

    def _tell(self, percents: Mapping[str, int], *, changed: bool) -> None:
        state = self._state
        moved = {name: percent for name, percent in percents.items() if state.percents.get(name) != percent}
        state.percents = percents
        frames = {name: progress(name, percent) for name, percent in moved.items()}
        for reader in self._readers:
            if reader.page:
                reader.changed = reader.changed or changed or bool(moved)
                if reader.changed:
                    reader.news.set()
                continue
            reader.progress |= {name: data for name, data in frames.items() if reader.wants(name)}
            if reader.progress or reader.at != state.log.last:
                reader.news.set()

    def _end_all(self) -> None:
        for reader in self._readers:
            reader.ended = True
            reader.news.set()

    def _forget(self) -> None:
        if not self._readers:
            self._state = _State()


def _changed(ctx: Context, watching: Watching) -> tuple[tuple[Change, ...], Mapping[str, int]]:
    seen = overview(ctx, OverviewRequest())
    return watching.take(seen), seen.percents


def _downloads(ctx: Context) -> Mapping[str, int]:
    return overview(ctx, OverviewRequest(Query(staged=True, state=(State.DOWNLOADING,)))).percents


def _percents(ctx: Context, names: tuple[str, ...]) -> Mapping[str, int]:
    return overview(ctx, OverviewRequest(Query(name=names))).percents


def _listed(ctx: Context, names: tuple[str, ...]) -> bytes:
    changes = Watching().take(overview(ctx, OverviewRequest(Query(name=names))))
    return b"".join(framed("workload", encoded(change.to_json())) for change in changes)
