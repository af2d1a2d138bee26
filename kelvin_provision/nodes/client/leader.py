"""The leader, as a member reaches it."""

from __future__ import annotations

from kelvin_provision.nodes.admission import Admission, RenewRequest
from kelvin_provision.nodes.checked import LARGEST, encoded
from kelvin_provision.nodes.client.link import Link
from kelvin_provision.nodes.protocol import PREFIX, Report, Wanted


class RemoteLeader:
    """See `links.Leader`. For one thread at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def wanted_after(self, version: str, wait: float) -> Wanted | None:
        """See `links.Leader`."""
        headers = {"If-None-Match": f'"{version}"', "Prefer": f"wait={int(wait)}"} if version else {}
        status, _, data = self._link.document("GET", f"{PREFIX}/wanted", headers=headers, limit=LARGEST["wanted"], wait=wait)
        if status == 304:
            return None
        return Wanted.from_json(data)

    def report(self, report: Report) -> None:
        """See `links.Leader`."""
        self._link.document("POST", f"{PREFIX}/report", body=encoded(report.to_json()), limit=0)

    def renew(self, request: RenewRequest) -> Admission:
        """A certificate for the next key."""
        _, _, data = self._link.document("POST", f"{PREFIX}/renew", body=encoded(request.to_json()), limit=LARGEST["admission"])
        return Admission.from_json(data)

    def close(self) -> None:
        self._link.close()
