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

    def run(self, *, until_idle: bool = False) -> None:
        """Until `ctx.stop`. Nothing that fails ends it: it is logged once, and tried again.

        `until_idle`: also once the leader has said what this node shall have, all of that is here, and the leader knows it. Raises
        NodeForeign then where the leader refuses this node: that does not go away by waiting.
        """
        ended, now = threading.Event(), NowFile(self.ctx.settings.state_dir, self.state)

        def over() -> bool:
            now.publish()
            return ended.is_set() or self.ctx.stop()

        if self.state.document is not None:
            self.use(self.state.document)
        links = [self.connect(), self.connect()]
        works = zip((self.listen, self.tell), links, strict=True)
        others = [threading.Thread(target=work, args=(own, over), name=work.__name__, daemon=True) for work, own in works]
        for thread in others:
            thread.start()
        try:
            self.work(until_idle=until_idle)
        finally:
            ended.set()
            for own in links:
                own.leader.close()
            for thread in others:
                thread.join(timeout=self.ctx.timings.agent_goodbye)
            now.close()

    def work(self, *, until_idle: bool = False) -> None:
        """Turns: at once when the leader wants something else, and now and then to see whether all is here still."""
        links, timings, looked, hashed = self.connect(), self.ctx.timings, float("-inf"), time.monotonic()
        spared = False
        while not self.ctx.stop():
            document = self.state.document
            complete = False
            if document is not None:
                spares = self.state.spares(timings.member_grace)
                thorough = time.monotonic() - looked >= timings.reconcile_images_thorough or (spared and not spares)
                complete = self._turn(links, document, thorough=thorough, spares=spares)
                spared = spares or (spared and not complete)
                looked = time.monotonic() if thorough and complete else looked
                if complete and time.monotonic() - hashed >= timings.member_verify:
                    hashed, complete = time.monotonic(), self._verify(document)
            pause = timings.reconcile_images if complete else timings.agent_retry
            if document is not None and not complete:
                self.ctx.progress(Resting(pause))
            if not until_idle:
                self.state.wait_for_document(document.version if document else "", pause, self.ctx.stop)
            elif self.state.wait_until_reported(document, pause, self.ctx.stop, done=complete):
                return

    def _turn(self, links: Links, document: Wanted, *, thorough: bool, spares: bool = False) -> bool:
        ctx, settings = self.ctx, self.ctx.settings
        locks = [image.lock for image in document.images]
        try:
            with system_errors():
                source, keep_free = links.blobs(document), settings.download.keep_free
                tools = Tools(ctx.store, ctx.runtime, source, ctx.progress, ctx.stop, keep_free, ctx.timings.staging, locks)
                done = Turn(settings.state_dir, tools, lambda: self.state.document, self.state.say, thorough, spares).take(document)
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

    def listen(self, links: Links, stop: Callable[[], bool]) -> None:
        """Hear of each change of what is wanted."""
        document = self.state.document
        version = document.version if document else ""
        while not stop():
            wait = self.report_every if self.state.answered else 0.0
            if self._asked(lambda version=version, wait=wait: self._hear(links, version, wait), stop):  # type: ignore[misc]
                version = self.state.document.version if self.state.document else ""

    def _hear(self, links: Links, version: str, wait: float) -> None:
        document = links.leader.wanted_after(version, wait)
        if document is not None:
            self._refuse_earlier(document)
            self.use(document)
        self.state.offer(document)

    def _refuse_earlier(self, document: Wanted) -> None:
        """Raises NodeForeign for a leader that was replaced: it is back, and does not know it."""
        known = self.state.document
        if known is not None and document.term < known.term:
            raise NodeForeign("the lead has moved to another node: this one is followed no more", hint=_JOIN)

    def tell(self, links: Links, stop: Callable[[], bool]) -> None:
        """Report each change, and now and then that it is there."""
        reported = -1
        while not stop():
            changes = self.state.changes
            if self._asked(lambda: links.leader.report(self.report()), stop):
                reported = changes
                self.state.reported(changes)
                _pause(min(APART, self.report_every), stop)
                self.state.wait_for_news(reported, self.report_every, stop)

    def _asked(self, question: Callable[[], None], stop: Callable[[], bool]) -> bool:
        """False after a pause if the leader did not answer."""
        try:
            question()
        except Exception as error:  # noqa: BLE001  (a bug of ours must not silence this node)
            if stop():
                return False  # its link was closed
            known = isinstance(error, ProvisionError)
            why = self.ctx.sanitizer.text(str(error) if known else f"a bug in kelvin-provision: {type(error).__name__}: {error}")
            if isinstance(error, NodeForeign):
                self.state.refused(error)
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
