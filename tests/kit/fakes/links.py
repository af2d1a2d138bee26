"""A leader in memory, and a source of blobs beside it: what a member needs of the others. Its documents are those of the real one."""

import threading
from collections.abc import Sequence

from kelvin_provision.errors import LeaderUnreachable, ProvisionError
from kelvin_provision.nodes.checked import encoded
from kelvin_provision.nodes.protocol import Report, Wanted, WantedImage, version_of


class FakeLeader:
    """`want` says what the member shall have; `reports` has what it said; `gone` is raised by every verb while it is set."""

    def __init__(self) -> None:
        self.document: Wanted | None = None
        self.reports: list[Report] = []
        self.gone: ProvisionError | None = None
        self._changed = threading.Condition()

    def want(self, images: Sequence[WantedImage], **more) -> Wanted:
        with self._changed:
            self.document = Wanted(version_of(images, more), tuple(images), **more)
            self._changed.notify_all()
        return self.document

    def leave(self) -> None:
        with self._changed:
            self.gone = LeaderUnreachable("the leader does not answer")
            self._changed.notify_all()

    def come_back(self) -> None:
        self.gone = None

    def wanted_after(self, version: str, wait: float) -> Wanted | None:
        with self._changed:
            self._changed.wait_for(lambda: self.gone or (self.document and self.document.version != version), wait)
            self._answer()
            if self.document is None or self.document.version == version:
                return None
            return Wanted.from_json(encoded(self.document.to_json()))

    def report(self, report: Report) -> None:
        self._answer()
        self.reports.append(Report.from_json(encoded(report.to_json())))

    def _answer(self) -> None:
        if self.gone:
            raise self.gone

    def close(self) -> None:
        pass


class FakeLinks:
    """`source` serves blobs whether the leader is there or not, as peers do; set its `down` for both."""

    def __init__(self, leader: FakeLeader, source) -> None:
        self.leader = leader
        self.source = source

    def blobs(self, document: Wanted):
        return self.source
