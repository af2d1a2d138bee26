"""The leader's routes: who joins, what each member shall have, what it says, and its next key.

Everything that asks the ledger or makes a certificate runs in one thread beside the event loop: SQLite's waiting holds up no transfer.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from kelvin_provision.context import Context
from kelvin_provision.errors import JoinRefused, NodeProtocolInvalid, ProvisionError
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger.nodes import membership, reports
from kelvin_provision.ledger.nodes.membership import JoinRefusal
from kelvin_provision.ledger.nodes.model import Node, NodeImage
from kelvin_provision.ledger.nodes.reading import node_with_key
from kelvin_provision.nodes.admission import Admission, JoinRequest, RenewRequest
from kelvin_provision.nodes.checked import encoded
from kelvin_provision.nodes.keys import making
from kelvin_provision.nodes.links import REPORT
from kelvin_provision.nodes.protocol import Report
from kelvin_provision.nodes.serving.documents import Documents
from kelvin_provision.nodes.wanting import Placement, Site, site
from kelvin_provision.refs import Descriptor
from kelvin_provision.serving.messages import Answer, Refused, Request
from kelvin_provision.timestamps import rfc3339_of_epoch
from kelvin_provision.tls.listen import bracketed

T = TypeVar("T")
LONGEST_WAIT = 120.0
"""Seconds for which a member may wait for news."""
LOOK = 0.5
"""Seconds between two looks at the ledger, while a member waits."""
AWAY = 3 * REPORT + 5
CERTIFY = 10.0
"""Seconds between two certificates for one member: each takes a process, and all members wait meanwhile."""
_WAIT = re.compile(r"wait=([0-9]{1,4})")
REFUSALS = {
    JoinRefusal.UNKNOWN: "the token is not one of this leader",
    JoinRefusal.EXPIRED: "the token has expired",
    JoinRefusal.USED: "the token was used",
    JoinRefusal.NAME: "another member has this name; remove it first",
    JoinRefusal.KEY: "another member has this key",
    JoinRefusal.CLUSTER_NODE: "another member is this node of the cluster; remove it first",
}


class LeaderRoutes:
    """`ctx` is for its thread alone. Use it in the event loop; `close` ends its thread."""

    def __init__(self, ctx: Context, authority: bytes, placement: Placement) -> None:
        self._ctx, self._authority = ctx, authority
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="nodes-ledger")
        self.documents = Documents(ctx, placement)
        self._looked, self._seen = float("-inf"), -1
        self.present: dict[str, float] = {}
        """When each member was seen last, by the monotonic clock."""
        self._certified: dict[str, float] = {}

    def close(self) -> None:
        self._executor.shutdown()

    async def ask(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *arguments))

    async def knows(self, key: str) -> bool:
        """Whether this is the key of a member still."""
        return await self.ask(node_with_key, self._ctx.ledger, key) is not None

    async def member(self, key: str) -> Node:
        """The member with this key. Raises Refused for a key that is none, or none any more."""
        known = await self.ask(self._member, key)
        if known is None:
            raise Refused(403, "this leader knows no member with this key")
        self.present[known.name] = time.monotonic()
        return known

    def _member(self, key: str) -> Node | None:
        known = node_with_key(self._ctx.ledger, key)
        if known is not None and known.next_key == key:
            membership.take_key(self._ctx.ledger, known.name, key)
        return known

    # --- routes ------------------------------------------------------------------------------------

    def authority(self) -> Answer:
        return Answer(200, making.certificate_of(self._authority), {"Content-Type": "application/x-pem-file"})

    async def join(self, request: Request) -> Answer:
        try:
            asked = JoinRequest.from_json(request.body)
            admission = await self.ask(self._join, asked, request.address)
        except NodeProtocolInvalid as error:
            raise Refused(400, str(error)) from error
        except JoinRefused as error:
            raise Refused(403, str(error)) from error
        return Answer(200, encoded(admission.to_json()))

    def _join(self, asked: JoinRequest, address: str) -> Admission:
        ledger, now = self._ctx.ledger, self._ctx.ledger.clock()
        token = sha256_hex(asked.token.encode())
        if (refusal := membership.token_refusal(ledger, token, now, asked.name)) is not None:
            raise JoinRefused(REFUSALS[refusal])  # before a certificate is made for anyone
        made = making.certify(self._authority, asked.request, asked.name, self._ctx.now)
        member = Node(
            name=asked.name,
            key=made.key_id,
            next_key=None,
            address=_completed(asked.address, address),
            platform=asked.platform,
            cluster_node=asked.cluster_node,
            version=asked.version,
            joined=now,
            seen=now,
        )
        if (refusal := membership.join(ledger, member, token, now)) is not None:
            raise JoinRefused(REFUSALS[refusal])
        return Admission(asked.name, made.certificate, making.certificate_of(self._authority).decode())

    async def renew(self, member: Node, request: Request) -> Answer:
        now = time.monotonic()
        if now - self._certified.get(member.name, float("-inf")) < CERTIFY:
            raise Refused(503, headers={"Retry-After": str(int(CERTIFY))})
        self._certified[member.name] = now
        try:
            asked = RenewRequest.from_json(request.body)
            admission = await self.ask(self._renew, member, asked)
        except NodeProtocolInvalid as error:
            raise Refused(400, str(error)) from error
        except JoinRefused as error:
            raise Refused(403, str(error)) from error
        return Answer(200, encoded(admission.to_json()))

    def _renew(self, member: Node, asked: RenewRequest) -> Admission:
        made = making.certify(self._authority, asked.request, member.name, self._ctx.now)
        if not membership.offer_key(self._ctx.ledger, member.name, made.key_id):
            raise JoinRefused(REFUSALS[JoinRefusal.KEY])
        return Admission(member.name, made.certificate, making.certificate_of(self._authority).decode())

    async def report(self, member: Node, request: Request) -> Answer:
        try:
            await self.ask(self._report, member, Report.from_json(request.body), request.address)
        except NodeProtocolInvalid as error:
            raise Refused(400, str(error)) from error
        return Answer(204)

    def _report(self, member: Node, report: Report, address: str) -> None:
        """What it says of images that it shall not have is of no use, and would only grow the ledger."""
        names = self.documents.known(member.name).document.names
        reported = [image for image in report.images if image.image in names]
        images = tuple(NodeImage(member.name, image.image, image.state, image.why, "", image.bytes) for image in reported)
        statement = reports.Said(
            address=_completed(report.address, address),
            platform=str(report.platform),
            version=report.version,
            free=report.free,
            problems=report.problems,
            images=images,
        )
        if not reports.record(self._ctx.ledger, member.name, statement):
            raise NodeProtocolInvalid("this leader knows no member with this key")

    async def wanted_document(self, member: Node, request: Request) -> Answer:
        known = request.headers.get("if-none-match", "").strip('"')
        wait = _WAIT.search(request.headers.get("prefer", ""))
        until = time.monotonic() + min(int(wait[1]) if wait else 0, LONGEST_WAIT)
        while True:
            made = await self.ask(self.documents.known, member.name)
            document = made.document if made.document.version == known else await self.ask(self.documents.newest, member.name)
            headers = {"ETag": f'"{document.version}"', "Content-Type": "application/json"}
            if document.version != known:
                return Answer(200, encoded(document.to_json()), headers)
            if time.monotonic() >= until:
                return Answer(304, headers=headers)
            await self._changed(made.state, until)

    async def _changed(self, state: int, until: float) -> None:
        """Until members may have news, or time is over. It is looked at once for all that wait."""
        while time.monotonic() < until:
            await asyncio.sleep(LOOK)
            if time.monotonic() - self._looked >= LOOK:
                self._looked = time.monotonic()
                self._seen = await self.ask(self.documents.state)
            if self._seen != state:
                return

    async def allowed(self, member: Node) -> Mapping[str, Descriptor]:
        """The blobs that are for this member."""
        made = await self.ask(self.documents.known, member.name)
        return {blob.digest: blob for image in made.document.images for blob in image.lock.blobs()}

    # --- who is silent -----------------------------------------------------------------------------

    async def watch(self, interval: float = REPORT) -> None:
        """For ever: members that were silent for a while are away."""
        begun = time.monotonic()
        while True:
            await asyncio.sleep(interval)
            try:
                await self.ask(self._note_silent, begun)
            except ProvisionError:
                continue  # such as a full disk: it is said again

    def _note_silent(self, begun: float) -> None:
        now = time.monotonic()
        silent = [member for member in self.site().members if member.away is None and now - self.present.get(member.name, begun) > AWAY]
        for member in silent:
            since = self._ctx.now.timestamp() - (now - self.present.get(member.name, begun))
            reports.silent(self._ctx.ledger, [member.name], rfc3339_of_epoch(since))

    def site(self) -> Site:
        return site(self._ctx.ledger)


def _completed(stated: str, seen: str) -> str:
    """`:PORT` at the address that the request came from."""
    return f"{bracketed(seen)}{stated}" if stated.startswith(":") else stated
