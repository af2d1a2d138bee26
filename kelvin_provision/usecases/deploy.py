"""Deploy: accept requests into the ledger and wake the agent. Nothing is downloaded or changed here."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, RequestRefused
from kelvin_provision.leading import lease
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.model.workloads import Revision, Signers
from kelvin_provision.nodes.keys.roles import refuse_member
from kelvin_provision.nodes.where.site import members
from kelvin_provision.settings import secrets
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.read.documents import read_all
from kelvin_provision.spec.read.findings import Document
from kelvin_provision.spec.request.accept import Accepted, Defaults, accept
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.image_names import AS_SAID, names_here
from kelvin_provision.staging.revocation import provenance_of, refuse
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.requests import RequestFile, SignedRequest, refuse_unsigned, signers
from kelvin_provision.trust.revocation import why
from kelvin_provision.usecases.waking import NO_SERVICE_WARNING, wake


@dataclass(frozen=True)
class DeployRequest:
    """Bodies of `POST /workloads/deploy`, as documents."""

    documents: tuple[Document, ...]
    allow_latest: bool = False
    signed: Mapping[str, SignedRequest] = field(default_factory=dict)
    """For each signed file who signed it, as `read_signed` says."""


@dataclass(frozen=True)
class DeployResult:
    revisions: tuple[Revision, ...]
    warnings: tuple[str, ...] = ()


def read_signed(trust: Trust, files: Sequence[RequestFile]) -> tuple[tuple[Document, ...], Mapping[str, SignedRequest]]:
    """The documents of the files, and for each signed one who signed it. Signatures are checked before anything is parsed.

    Raises what `trust.requests.signers` raises, then RequestRefused.
    """
    signed = signers(trust, files)
    return read_all([(file.name, file.content) for file in files]), signed


def deploy(ctx: Context, request: DeployRequest) -> DeployResult:
    """Accept all requests or none; they replace what was staged for the same workloads.

    Raises RequestRefused, SecretMissing, SignatureMissing, VersionRevoked, Locked, AgentSilent (the requests are stored then).
    """
    checked = accepted(ctx.settings, request)
    return deploy_accepted(ctx, [checked], _signers(request, checked.specs))


def considered(ctx: Context, request: DeployRequest) -> Accepted:
    """What `deploy` would accept: nothing is stored. Raises what it raises before it stores anything."""
    checked = accepted(ctx.settings, request)
    refuse_unsupported(ctx.cluster, checked.specs, members(ctx))
    refuse_untrusted(ctx, checked.specs, _signers(request, checked.specs))
    return checked


def _signers(request: DeployRequest, specs: Sequence[Spec]) -> Mapping[str, SignedRequest]:
    """For each workload who signed the file that its request was in, if it is signed."""
    files = zip(specs, request.documents, strict=True)
    return {spec.name: signed for spec, document in files if (signed := request.signed.get(document.file))}


def deploy_accepted(ctx: Context, requests: Sequence[Accepted], signed: Mapping[str, SignedRequest] = MappingProxyType({})) -> DeployResult:
    """All of them or none. Raises RequestRefused for what this cluster cannot run, SignatureMissing, VersionRevoked, AgentSilent.

    Raises LeadElsewhere on a box that has lost the lead, NodeRoleWrong on a member.
    """
    specs = [spec for request in requests for spec in request.specs]
    refuse_member(ctx)
    lease.refuse_elsewhere(ctx.settings.state_dir, lambda: ctx.cluster)
    refuse_unsupported(ctx.cluster, specs, members(ctx))
    revisions, cancelled = store(ctx, specs, signed)
    woken = wake(ctx)
    reboot = () if ctx.launcher.survives_reboot(ctx.settings) else (NO_SERVICE_WARNING,)
    return DeployResult(revisions, (*(warning for request in requests for warning in request.warnings), *cancelled, *woken, *reboot))


def accepted(settings: Settings, request: DeployRequest, *, has_secret: Callable[[str], bool] | None = None) -> Accepted:
    """The request, checked; nothing is stored. `has_secret` in place of the box's own secrets. Raises RequestRefused, SecretMissing."""
    defaults = Defaults(
        registry=settings.registry,
        cluster_name=settings.cluster.name,
        method=settings.default_method,
        has_secret=has_secret or (lambda name: secrets.has(settings.secrets_dir, name)),
        secrets_dir=str(settings.secrets_dir),
        allow_latest=request.allow_latest,
        namespace=settings.cluster.namespace,
    )
    checked = accept(request.documents, defaults)
    # A box without a name goes by its host's: workloads see it in KELVIN_CLUSTER_NAME.
    named = tuple(spec if spec.cluster_name else replace(spec, cluster_name=platform.node()) for spec in checked.specs)
    return replace(checked, specs=named)


def refuse_unsupported(cluster: Cluster, specs: Sequence[Spec], members: Collection[str] = frozenset()) -> None:
    """Raise RequestRefused with all findings if this cluster cannot run them. If the cluster does not answer, apply asks it again."""
    findings: list[str] = []
    for spec in specs:
        try:
            cluster.render(spec, (), 0, members)
        except RequestRefused as error:
            findings += error.evidence or (str(error),)
        except (ClusterUnreachable, ClusterDenied):
            return
    if findings:
        raise RequestRefused(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} for this box", evidence=findings)


def refuse_untrusted(ctx: Context, specs: Sequence[Spec], signed: Mapping[str, SignedRequest]) -> None:
    """Raises SignatureMissing, VersionRevoked; Locked where a trust document came after a signature was verified.

    Images whose digest is not known yet are looked at again when they are resolved.
    """
    trust = ctx.trust
    refuse_unsigned(trust, [spec.name for spec in specs], signed)
    names = names_here(trust, lambda: ctx.store, ctx.ledger) if trust.document else AS_SAID
    for spec in specs if trust.document else ():
        keys = signed[spec.name].keys if spec.name in signed else ()
        refuse(spec, why(trust, provenance_of(spec, Signers(keys), names=names)))
    for number in {each.trust for each in signed.values()}:
        requests.refuse_moved(ctx.ledger, number)


def notes_of(signed: Mapping[str, SignedRequest]) -> Mapping[str, str]:
    """For the history."""
    return {name: each.note for name, each in signed.items()}


def store(
    ctx: Context, specs: Sequence[Spec], signed: Mapping[str, SignedRequest] = MappingProxyType({})
) -> tuple[tuple[Revision, ...], tuple[str, ...]]:
    """Store all requests as one group, or none. Returns the revisions, and a message for each order that this cancels.

    `signed` has who signed each workload. Raises SignatureMissing, VersionRevoked, Locked.
    """
    with ctx.ledger.writing():  # so that no trust document is accepted in between
        refuse_untrusted(ctx, specs, signed)
        notes, signers = notes_of(signed), {name: Signers(each.keys) for name, each in signed.items()}
        stored = requests.accept(ctx.ledger, specs, uuid.uuid4().hex, actor=ctx.actor, signed=notes, signers=signers)
    return stored.revisions, requests.cancellations(stored.cancelled)
