"""What of a publication is meant for this box, once its signature is verified: nothing is parsed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kelvin_provision.context import Context
from kelvin_provision.errors import PublicationInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.following.fetching import Fetched
from kelvin_provision.publications.choosing import Traits
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, decode
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.documents import read_all
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.trust.requests import SignedRequest, note_of
from kelvin_provision.trust.verifying import Verified, verify
from kelvin_provision.usecases.bundles.bundled import box_of
from kelvin_provision.usecases.deploy import DeployRequest, accepted


@dataclass(frozen=True)
class Believed:
    """`trust` is the number of the trust document by which it was verified, `trusted` are the keys that may sign by it."""

    fetched: Fetched
    publication: Publication
    verified: Verified
    trust: int
    trusted: tuple[str, ...]

    @property
    def document(self) -> str:
        """The digest of what was signed."""
        return digest_of(self.fetched.document)

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(signer.key_id for signer in self.verified.signers)

    @property
    def signers(self) -> tuple[str, ...]:
        """As people call them."""
        return tuple(signer.text for signer in self.verified.signers)

    def signed(self, request: PublishedRequest) -> SignedRequest:
        """The digest of a request is part of what was signed."""
        return SignedRequest(note_of(self.verified.text, request.digest.removeprefix("sha256:")), self.key_ids, self.trust)


def believed(ctx: Context, fetched: Fetched) -> Believed:
    """By keys of the role `requests`, whatever trust.require_signature says. Raises what `verifying.verify` raises; PublicationInvalid."""
    trust = ctx.trust
    verified = verify(PAYLOAD_TYPE, fetched.document, fetched.signatures, trust)
    role = trust.role(PAYLOAD_TYPE)
    trusted = tuple(key.key_id for key in role.keys) if role else ()
    return Believed(fetched, decode(fetched.document), verified, trust.number, trusted)


def traits_of(ctx: Context) -> Traits:
    """What this box is chosen by. Raises ClusterMissing."""
    labels = (label.partition("=") for label in ctx.settings.labels)
    platform = box_of(lambda: ctx.runtime).platform
    return Traits(ctx.box_name, platform, ctx.connections.choice.type, tuple((key, value) for key, _, value in labels))


def requests_of(ctx: Context, requests: Sequence[PublishedRequest], contents: Mapping[str, bytes]) -> Accepted:
    """As a deploy accepts them, staged: when they are applied is this site's to say.

    Raises PublicationInvalid for a request of another workload than is published; RequestRefused, SecretMissing.
    """
    documents = read_all([(request.name, contents[request.name]) for request in requests])
    checked = accepted(ctx.settings, DeployRequest(documents))
    for request, name in zip([document.file for document in documents], [spec.name for spec in checked.specs], strict=True):
        if request != name:
            raise PublicationInvalid(f"the request that is published for {request} is of the workload {name}")
    if len(checked.specs) != len(requests):
        raise PublicationInvalid("a request that is published has more than one document, or none")
    method = method_of(ctx)
    return replace(checked, specs=tuple(replace(spec, method=method) for spec in checked.specs))


def method_of(ctx: Context) -> Method:
    """By `follow.apply`. In its window everything is applied that may be applied without being asked for."""
    return Method.STAGED if ctx.settings.follow.apply == "never" else Method.INSTANT
