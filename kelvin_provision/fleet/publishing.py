"""Publish requests to a fleet: signed, at a tag of a registry, from which boxes stage them by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import RegistryUnreachable, RequestRefused, SignatureInvalid, UsageRefused, hinted
from kelvin_provision.events import Note
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.fleet import copying, drafting
from kelvin_provision.fleet.current import Found, chosen_earlier, content_of, current
from kelvin_provision.fleet.differing import Difference, differences
from kelvin_provision.fleet.entries import Entries, entries_of
from kelvin_provision.publications import artifact, limits
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, Selector, decode, encode
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.trust.dsse import Entry, document, joined
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.trust.signing import PrivateKey, SignCommand, public_key_of, sign

Signer = PrivateKey | SignCommand


@dataclass(frozen=True)
class PublishRequest:
    """`reference` has the tag that boxes follow. What is not named stays published; with `alone`, only `files` are.

    `rollback` publishes what was published before, or with `to` the publication of that serial. `replace` does not read what is there.
    """

    files: tuple[RequestFile, ...]
    reference: Reference
    signers: tuple[Signer, ...]
    selector: Selector = Selector()
    rollout: int = drafting.ALL
    withdraw: tuple[str, ...] = ()
    serial: int | None = None
    alone: bool = False
    replace: bool = False
    rollback: bool = False
    to: int | None = None
    copy_images: bool = False
    allow_latest: bool = False


@dataclass(frozen=True)
class Plan:
    """What would be published. `changes` is False where nothing is published: boxes do what they did, and no serial was asked for."""

    publication: Publication
    before: Found | None
    differences: tuple[Difference, ...]
    entries: Entries
    changes: bool


@dataclass(frozen=True)
class PublishResult:
    """`digest` is None where nothing was published: nothing would change. `images` were copied."""

    reference: Reference
    plan: Plan
    digest: str | None = None
    signers: tuple[str, ...] = ()
    images: tuple[Reference, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        publication = self.plan.publication
        return {
            "reference": str(self.reference),
            "digest": self.digest,
            "document": digest_of(encode(publication)) if self.digest else None,
            "serial": publication.serial if self.plan.changes or not self.plan.before else self.plan.before.publication.serial,
            "previous": publication.previous,
            "created": publication.created,
            "published": self.digest is not None,
            "workloads": [difference.to_json() for difference in self.plan.differences],
            "withdrawn": list(publication.withdrawn),
            "signers": list(self.signers),
            "images": list(map(str, self.images)),
        }


_HINTS = {
    RegistryUnreachable: "check the network, then try again: what the registry has is not sent again",
    RequestRefused: "correct the findings, then publish again; nothing was pushed",
}


@hinted(_HINTS)
def plan(ctx: Context, request: PublishRequest) -> Plan:
    """What `publish` would change; nothing is pushed. No private key is needed where this desk trusts the public one.

    Raises what `publish` raises before it pushes.
    """
    _refuse_contradiction(request)
    # What a desk without a registry of its own publishes has its images where it is published.
    settings = replace(ctx.settings, registry=ctx.settings.registry or request.reference.host)
    entries = entries_of(settings, request.files, request.selector, request.rollout, allow_latest=request.allow_latest)
    keys = _keys(ctx, request)
    newest = None if request.replace else current(ctx.destination, request.reference, keys)
    draft = drafting.Draft(entries.requests, request.withdraw, request.serial, request.alone)
    created = timestamps.rfc3339(timestamps.parse(ctx.connections.wiring.clock()))
    before, digest = (newest.publication, newest.digest) if newest else (None, None)
    if request.rollback:
        if newest is None or digest is None:
            raise UsageRefused(f"nothing is published at {request.reference}")
        target = chosen_earlier(ctx.destination, request.reference, newest, keys, request.to)
        publication = drafting.going_back(newest.publication, digest, target.publication, draft, created)
    else:
        publication = drafting.following(before, digest, draft, created)
    decode(encode(publication))  # nothing is signed that no box can read
    changed = differences(before, publication, _content(ctx, request.reference, entries.contents or {}))
    # A serial that was asked for is a change: boxes that have had different publications with one serial wait for it.
    return Plan(publication, newest, changed, entries, request.serial is not None or not drafting.is_same(before, publication))


@hinted(_HINTS)
def publish(ctx: Context, request: PublishRequest) -> PublishResult:
    """Requests and images first, then the signed document, then the tag: boxes see all of it, or what was before.

    Raises RequestRefused, UsageRefused, KeyInvalid, SigningFailed, PublicationInvalid, SignerUnknown, SignatureInvalid, TagMoved, and what
    registries raise.
    """
    if not request.signers:
        raise UsageRefused("nothing to sign with", hint="add --sign KEY: a box stages nothing that is not signed")
    planned = plan(ctx, request)
    if not planned.changes:
        return PublishResult(request.reference, planned, warnings=planned.entries.warnings)
    reference, contents = request.reference, planned.entries.contents or {}
    signed = _signed(encode(planned.publication), request.signers)
    images = copying.copy_images(ctx, planned.entries.specs, reference) if request.copy_images else ()
    for data in contents.values():
        ctx.destination.blob(reference, artifact.request_descriptor(data), data)
    made = artifact.make(PAYLOAD_TYPE, encode(planned.publication), document(signed), _blobs(planned.publication))
    for blob, data in made.blobs:
        ctx.destination.blob(reference, blob, data)
    tag = reference.tag or "latest"
    replaces = planned.before.digest if planned.before else None
    digest = ctx.destination.manifest(reference, made.manifest, OCI_MANIFEST, tag, replaces=replaces)
    # Under a tag of its own it outlives a registry that removes what has none, and can be gone back to.
    kept = f"{tag}.{planned.publication.serial}"
    if len(kept) <= _LONGEST_TAG:
        ctx.destination.manifest(reference, made.manifest, OCI_MANIFEST, kept)
    ctx.progress(Note(f"{reference} is serial {planned.publication.serial}, {digest}"))
    return PublishResult(reference, planned, digest, tuple(entry.key_id for entry in signed), images, planned.entries.warnings)


_LONGEST_TAG = 128


def _refuse_contradiction(request: PublishRequest) -> None:
    if request.rollback and (request.files or request.withdraw or request.alone or request.replace):
        raise UsageRefused("--rollback publishes what was published before: it takes no files, --withdraw, --only or --replace")
    if request.to is not None and not request.rollback:
        raise UsageRefused("--to goes with --rollback")
    if not (request.rollback or request.files or request.withdraw):
        raise UsageRefused("nothing to publish", hint="give -f FILE, --withdraw NAME or --rollback")
    if request.reference.digest:
        raise UsageRefused(f"{request.reference} has a digest; boxes follow a tag")
    if request.replace and request.serial is None:
        raise UsageRefused("--replace does not read what is published: it needs --serial NUMBER, higher than any before")


def _keys(ctx: Context, request: PublishRequest) -> tuple[PublicKey, ...]:
    """By which what is there is believed: those that sign now, and those of this desk for requests."""
    own = [signer.public if isinstance(signer, SignCommand) else public_key_of(signer) for signer in request.signers]
    trust = ctx.trust
    role = trust.role(PAYLOAD_TYPE) if trust.has_keys else None
    return tuple({key.key_id: key for key in (*own, *(role.keys if role else ()))}.values())


def _signed(content: bytes, signers: tuple[Signer, ...]) -> tuple[Entry, ...]:
    entries: tuple[Entry, ...] = ()
    for signer in signers:
        entries = joined(entries, sign(PAYLOAD_TYPE, content, signer))
    if len(document(entries)) > limits.SIGNATURES:
        raise SignatureInvalid(f"more signatures than the {limits.SIGNATURES} bytes that boxes read", hint="sign with fewer keys")
    return entries


def _blobs(publication: Publication) -> list[Descriptor]:
    return [Descriptor(artifact.REQUEST_TYPE, request.digest, request.size) for request in publication.requests]


def _content(ctx: Context, reference: Reference, new: Mapping[str, bytes]) -> Callable[[PublishedRequest], bytes]:
    def content(request: PublishedRequest) -> bytes:
        data = new.get(request.digest)
        return content_of(ctx.destination, reference, request.digest, request.size) if data is None else data

    return content
