"""What the threads of a member share: what is wanted, how far each image is, and when the leader was last reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kelvin_provision import timestamps
from kelvin_provision.errors import NodeForeign
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.protocol import ImageReport, Wanted


@dataclass(frozen=True)
class LeaderLink:
    """`reached`: when it last answered, empty for never; `trouble`: why it does not now, and since when."""

    reached: str = ""
    trouble: str = ""
    since: str = ""


class State:
    """Thread-safe. It waits in short steps, so that who waits can stop."""

    def __init__(self, document: Wanted | None = None) -> None:
        self._news = threading.Condition()
        self._wanted = document
        self._images: dict[str, ImageReport] = {}
        self._problem = ""
        self._link = LeaderLink()
        self._dropped = time.monotonic()
        """When the leader has last stopped wanting an image; what it did before this life is not known."""
        self._changes = 0
        """Counts what a report would tell."""
        self._answered = False
        self._reported = -1
        self._refusal: NodeForeign | None = None

    @property
    def document(self) -> Wanted | None:
        return self._wanted

    @property
    def link(self) -> LeaderLink:
        return self._link

    @property
    def problem(self) -> str:
        """What keeps the member from all of its work: no runtime, no store."""
        return self._problem

    @property
    def answered(self) -> bool:
        """Whether the leader has answered in this life what is wanted."""
        return self._answered

    @property
    def changes(self) -> int:
        return self._changes

    def offer(self, document: Wanted | None) -> None:
        """The newest document of the leader; None: it wants what it wanted last."""
        with self._news:
            self._answered, self._refusal = True, None
            if document is not None:
                if self._wanted is not None and not self._wanted.names <= document.names:
                    self._dropped = time.monotonic()
                self._wanted = document
                self._changes += 1
            self._news.notify_all()

    def reported(self, changes: int) -> None:
        """The leader has a report of so many changes."""
        with self._news:
            self._reported = changes
            self._news.notify_all()

    def refused(self, error: NodeForeign) -> None:
        """The leader knows this node no more, or is the leader no more."""
        with self._news:
            self._refusal = error
            self._news.notify_all()

    def say(self, image: ImageReport) -> None:
        """How far an image is."""
        with self._news:
            before = self._images.get(image.image)
            self._images[image.image] = image
            if before is None or (before.state, before.why) != (image.state, image.why):
                self._changes += 1
                self._news.notify_all()

    def trouble(self, problem: str) -> bool:
        """Whether it is another one than before. Empty: there is none any more."""
        with self._news:
            changed, self._problem = problem != self._problem, problem
            if changed:
                self._changes += 1
                self._news.notify_all()
            return changed

    def reached(self) -> bool:
        """The leader has answered. Whether it had not before."""
        with self._news:
            back, self._link = bool(self._link.trouble) or not self._link.reached, LeaderLink(timestamps.rfc3339_now())
            return back

    def lost(self, why: str) -> bool:
        """The leader does not answer. Whether that is news."""
        with self._news:
            link = self._link
            since = link.since or timestamps.rfc3339_now()
            self._link = LeaderLink(link.reached, why, since)
            return why != link.trouble

    def spares(self, grace: float) -> bool:
        """Whether what the leader does not want stays for now: it may want it again, as when a node of the cluster is gone for a moment."""
        return time.monotonic() - self._dropped < grace

    def images(self) -> tuple[ImageReport, ...]:
        """Of each wanted image; what was not looked at yet is wanted."""
        document, known = self._wanted, dict(self._images)
        names = [image.lock.name for image in document.images] if document else []
        return tuple(known.get(name) or ImageReport(name, NodeImageState.WANTED) for name in names)

    def wait_for_document(self, version: str, seconds: float, stop: Callable[[], bool]) -> None:
        """Until there is another one than this, for so many seconds."""
        self._wait(lambda: self._wanted is not None and self._wanted.version != version, seconds, stop)

    def wait_for_news(self, changes: int, seconds: float, stop: Callable[[], bool]) -> None:
        """Until there is more to tell than this, for so many seconds."""
        self._wait(lambda: self._changes != changes, seconds, stop)

    def wait_until_reported(self, document: Wanted | None, seconds: float, stop: Callable[[], bool], *, done: bool) -> bool:
        """Whether the work is `done`, and the leader, asked in this life, wants nothing else and knows all that there is to tell.

        False once there is another document, or after so many seconds. Raises NodeForeign where the leader refuses this node.
        """
        changes = self._changes

        def is_reported() -> bool:
            return done and self._answered and self._reported >= changes

        self._wait(lambda: self._wanted is not document or self._refusal is not None or is_reported(), seconds, stop)
        with self._news:
            if self._refusal is not None:
                raise self._refusal
            return self._wanted is document and is_reported()

    def _wait(self, over: Callable[[], bool], seconds: float, stop: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        with self._news:
            while not over() and (left := deadline - time.monotonic()) > 0 and not stop():
                self._news.wait(min(left, _STEP))


_STEP = 0.5
"""Seconds between two questions whether to stop."""
