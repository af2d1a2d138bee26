"""One turn of a member: everything that it can do now towards what its leader wants. May be cut off and repeated anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kelvin_provision.errors import NoSpace, ProvisionError, TransferStopped
from kelvin_provision.events import Note, Status
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.member import local_names
from kelvin_provision.nodes.member.images import Tools, bring, is_whole
from kelvin_provision.nodes.protocol import ImageReport, Wanted, WantedImage
from kelvin_provision.spec.identity import identities, is_among

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kelvin_provision.spec.lock import ImageLock

LONGEST_WHY = 300
"""Characters of a reason: it travels, and stands in a list."""


@dataclass(frozen=True)
class Turn:
    """`newer` is the newest document of the leader; `report` gets the state of an image whenever it changes."""

    state_dir: Path
    tools: Tools
    newer: Callable[[], Wanted | None]
    report: Callable[[ImageReport], None]
    thorough: bool = False
    """Inspect each image in the runtime instead of listing the pinned ones, and look in the store for what nothing needs."""
    spares: bool = False
    """Keep what is not wanted, unless a wanted image needs its space."""

    def take(self, document: Wanted) -> bool:
        """True when there is nothing left to do: all is here that may be fetched.

        Raises errors of the runtime, the store and the disk, and TransferStopped.
        """
        is_new = local_names.remember(self.state_dir, document)
        owned = self.tools.runtime.owned() if self.spares else self._free(document, everything=is_new or self.thorough)
        complete = [self._image(image, document, owned) for image in document.images]
        local_names.keep(document, self.tools.runtime)
        return all(complete)

    def _free(self, document: Wanted, *, everything: bool) -> frozenset[str]:
        """First, because it makes room; returns what is ours in the runtime. One that a container still uses goes at a later turn."""
        runtime, store = self.tools.runtime, self.tools.store
        if document.keep:
            return runtime.owned()
        local_names.clear(self.state_dir, document, runtime)
        pinned = {name for image in document.images if image.pinned for name in identities(image.lock)}
        owned = runtime.owned()
        for name in owned - pinned:
            runtime.remove_owned(name)
        if everything:
            store.collect_garbage([image.lock for image in document.images])
        return owned

    def _image(self, image: WantedImage, document: Wanted, owned: Collection[str]) -> bool:
        lock, tools = image.lock, self.tools
        if self._is_here(image, owned):
            self._say(lock, NodeImageState.HERE)
            return True
        if not is_whole(lock, tools.store):
            if document.draining:
                self._say(lock, NodeImageState.WANTED, "this node is drained: nothing new is sent to it")
                return True
            self._say(lock, NodeImageState.DOWNLOADING)
        tools.progress(Status(f"fetching {lock.reference}"))
        try:
            self._bring(image, document)
        except TransferStopped:
            if self.tools.stop():
                raise
            return False
        except ProvisionError as error:
            tools.progress(Note(f"{lock.reference}: {error}"))
            self._say(lock, NodeImageState.WANTED if error.temporary else NodeImageState.FAILED, str(error))
            return False
        finally:
            tools.progress(Status(""))
        self._say(lock, NodeImageState.HERE)
        return True

    def _bring(self, image: WantedImage, document: Wanted) -> None:
        """What is not wanted makes room for it where there is none."""
        tools = replace(self.tools, stop=self._stop_for(image.lock))
        try:
            bring(image.lock, tools, into_runtime=image.pinned)
        except NoSpace:
            if not self.spares:
                raise
            self._free(document, everything=True)
            bring(image.lock, tools, into_runtime=image.pinned)

    def _is_here(self, image: WantedImage, owned: Collection[str]) -> bool:
        lock = image.lock
        if not is_whole(lock, self.tools.store):
            return False
        if not image.pinned:
            return True
        return is_among(lock, owned) and (not self.thorough or self.tools.runtime.has(lock))

    def _stop_for(self, lock: ImageLock) -> Callable[[], bool]:
        """Also once the leader does not want it any more."""
        return lambda: self.tools.stop() or not self._is_wanted_still(lock)

    def _is_wanted_still(self, lock: ImageLock) -> bool:
        newest = self.newer()
        return newest is None or any(image.lock.name == lock.name for image in newest.images)

    def _say(self, lock: ImageLock, state: NodeImageState, why: str = "") -> None:
        done, _ = self.tools.store.progress([lock])
        self.report(ImageReport(lock.name, state, why[:LONGEST_WHY], done))
