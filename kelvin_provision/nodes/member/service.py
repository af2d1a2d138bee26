"""A member at work: one thread hears what the leader wants, one reports, and the caller's does it. Each has a link of its own.

Without a leader the work goes on: what was wanted last is kept here, and put back where it is missing.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kelvin_provision import __version__
from kelvin_provision.errors import NodeForeign, ProvisionError, TransferStopped
from kelvin_provision.events import Note, Resting
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import system_errors
from kelvin_provision.hints import command
from kelvin_provision.nodes.links import REPORT
from kelvin_provision.nodes.member import kept
from kelvin_provision.nodes.member.images import Tools
from kelvin_provision.nodes.member.now import NowFile
from kelvin_provision.nodes.member.state import State
from kelvin_provision.nodes.member.turn import Turn
from kelvin_provision.nodes.protocol import Report
from kelvin_provision.refs import Platform
from kelvin_provision.staging.background import run_at_low_priority

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.nodes.links import Links
    from kelvin_provision.nodes.protocol import Wanted
_JOIN = command("node join", "https://HOST:PORT", instruction="with the address of the present leader")
APART = 1.0
"""Seconds between two reports, however much there is to tell."""


@dataclass(frozen=True)
class Member:
    """`connect` makes a link for one thread. `node` is the name in the cluster, `address` where this member serves blobs.

    `use` hears each document before anything is done about it.
    """

    ctx: Context
    connect: Callable[[], Links]
    state: State
    node: str = ""
    address: str = ""
    report_every: float = REPORT
    use: Callable[[Wanted], None] = lambda _: None
    platform: Platform = Platform.of_this_host()

    @classmethod
    def of(
        cls,
        ctx: Context,
        connect: Callable[[], Links],
        *,
        node: str = "",
        address: str = "",
        use: Callable[[Wanted], None] = lambda _: None,
    ) -> Member:
        """As it was when it ended last."""
        return cls(ctx, connect, State(kept.read(ctx.settings.state_dir).document), node, address, use=use)

    # --- the work ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Until `ctx.stop`. Nothing that fails ends it: it is logged once, and tried again."""
        ended, now = threading.Event(), NowFile(self.ctx.settings.state_dir, self.state)

        def over() -> bool:
            now.publish()
            return ended.is_set() or self.ctx.stop()

        if self.state.document is not None:
            self.use(self.state.document)
        others = [threading.Thread(target=work, args=(over,), name=work.__name__, daemon=True) for work in (self.listen, self.tell)]
        for thread in others:
            thread.start()
        try:
            self.work()
        finally:
            ended.set()
            for thread in others:
                thread.join(timeout=self.ctx.timings.agent_goodbye)
            now.close()

    def work(self) -> None:
        """Turns: at once when the leader wants something else, and now and then to see whether all is here still."""
        links, timings, looked, hashed = self.connect(), self.ctx.timings, float("-inf"), time.monotonic()
        while not self.ctx.stop():
            document = self.state.document
            if document is None:
                self.state.wait_for_document("", timings.agent_retry, self.ctx.stop)
                continue
            thorough = time.monotonic() - looked >= timings.reconcile_images_thorough
            complete = self._turn(links, document, thorough=thorough)
            looked = time.monotonic() if thorough and complete else looked
            if complete and time.monotonic() - hashed >= timings.member_verify:
                hashed, complete = time.monotonic(), self._verify(document)
            pause = timings.reconcile_images if complete else timings.agent_retry
            if not complete:
                self.ctx.progress(Resting(pause))
            self.state.wait_for_document(document.version, pause, self.ctx.stop)

    def _turn(self, links: Links, document: Wanted, *, thorough: bool) -> bool:
        ctx, settings = self.ctx, self.ctx.settings
        locks = [image.lock for image in document.images]
        try:
            with system_errors():
                source, keep_free = links.blobs(document), settings.download.keep_free
                tools = Tools(ctx.store, ctx.runtime, source, ctx.progress, ctx.stop, keep_free, ctx.timings.staging, locks)
                done = Turn(settings.state_dir, tools, lambda: self.state.document, self.state.say, thorough).take(document)
        except TransferStopped:
            return False
        except ProvisionError as error:
            self._trouble(str(error))
            return False
        except Exception as error:  # noqa: BLE001  (a bug of ours must not leave the images of this node unattended)
            if self._trouble(f"a bug in kelvin-provision: {type(error).__name__}: {error}"):
                for line in traceback.format_exc().splitlines():
                    ctx.progress(Note(ctx.sanitizer.text(line)))
            return False
        self._trouble("")
        return done

    def _verify(self, document: Wanted) -> bool:
        """Hash everything again; what is wrong is quarantined, so that the next turn fetches it. Whether all is right."""
        blobs = {blob.digest: blob for image in document.images for blob in image.lock.blobs()}.values()

        def alive(_: int) -> None:
            """A heartbeat for each chunk."""
            self.ctx.stop()

        try:
            wrong = [blob for blob in blobs if not self.ctx.stop() and not run_at_low_priority(partial(self.ctx.store.verify, blob, alive))]
        except ProvisionError as error:
            self._trouble(str(error))
            return False
        for blob in wrong:
            self.ctx.progress(Note(f"{blob.digest} was wrong in the store: it is fetched again"))
        return not wrong

    def _trouble(self, problem: str) -> bool:
        problem = self.ctx.sanitizer.text(problem)
        changed = self.state.trouble(problem)
        if changed:
            self.ctx.progress(Note(problem or "working again"))
        return changed

    # --- the leader --------------------------------------------------------------------------------

    def listen(self, stop: Callable[[], bool]) -> None:
        """Hear of each change of what is wanted."""
        links, document = self.connect(), self.state.document
        version = document.version if document else ""
        while not stop():
            if self._asked(lambda version=version: self._hear(links, version), stop):  # type: ignore[misc]
                version = self.state.document.version if self.state.document else ""

    def _hear(self, links: Links, version: str) -> None:
        document = links.leader.wanted_after(version, self.report_every)
        if document is not None:
            self._refuse_earlier(document)
            self.use(document)
            self.state.offer(document)

    def _refuse_earlier(self, document: Wanted) -> None:
        """Raises NodeForeign for a leader that was replaced: it is back, and does not know it."""
        known = self.state.document
        if known is not None and document.term < known.term:
            raise NodeForeign("the lead has moved to another node: this one is followed no more", hint=_JOIN)

    def tell(self, stop: Callable[[], bool]) -> None:
        """Report each change, and now and then that it is there."""
        links, reported = self.connect(), -1
        while not stop():
            changes = self.state.changes
            if self._asked(lambda: links.leader.report(self.report()), stop):
                reported = changes
                _pause(min(APART, self.report_every), stop)
                self.state.wait_for_news(reported, self.report_every, stop)

    def _asked(self, question: Callable[[], None], stop: Callable[[], bool]) -> bool:
        """False after a pause if the leader did not answer."""
        try:
            question()
        except Exception as error:  # noqa: BLE001  (a bug of ours must not silence this node)
            known = isinstance(error, ProvisionError)
            why = self.ctx.sanitizer.text(str(error) if known else f"a bug in kelvin-provision: {type(error).__name__}: {error}")
            if self.state.lost(why):
                self.ctx.progress(Note(f"{why}; what it wanted last is kept here"))
            _pause(self.ctx.timings.agent_retry, stop)
            return False
        if self.state.reached():
            self.ctx.progress(Note("the leader answers"))
        return True

    def report(self) -> Report:
        """Of now."""
        document, images = self.state.document, self.state.images()
        return Report(
            wanted_version=document.version if document else "",
            images=images,
            platform=self.platform,
            cluster_node=self.node,
            version=__version__,
            address=self.address,
            free=_free(self.ctx),
            problems=tuple(filter(None, [self.state.problem])),
        )


def _pause(seconds: float, stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, 0.1))


def _free(ctx: Context) -> int | None:
    try:
        status = os.statvfs(ctx.settings.state_dir)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
