"""Can this be applied? The only list of preconditions, for apply, the agent, diff, every dry run and `check`. Pure.

Each precondition turns facts into findings. Add a precondition here, and all of them have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.applying.image_volumes import LostVolume
from kelvin_provision.cluster.plan import Finding, Plan
from kelvin_provision.cluster.survey import Survey
from kelvin_provision.errors import ImageUnsigned, ProvisionError, VersionRevoked
from kelvin_provision.refusals import kind_for
from kelvin_provision.spec.lock import ImageLock

IMAGE_MISSING = "image-missing"


@dataclass(frozen=True)
class ImageFacts:
    """The images of one workload that the runtime does not have: `absent` ones are in the store, `lost` ones are in neither place."""

    workload: str
    absent: tuple[ImageLock, ...] = ()
    lost: tuple[ImageLock, ...] = ()
    error: ProvisionError | None = None
    """The error, if the runtime does not answer."""


@dataclass(frozen=True)
class MissingSecret:
    """A secret or login that an object refers to and this box does not have."""

    workload: str
    name: str
    error: ProvisionError


@dataclass(frozen=True)
class TakenName:
    """A name that an additional image of a workload must have in the runtime, and that stands for another image."""

    workload: str
    name: str
    other: str
    """Which other image that is, in words."""


@dataclass(frozen=True)
class UnsignedImage:
    """An image of a workload that is not signed as this box asks for; `why` says what is known of its signatures."""

    workload: str
    image: str
    why: str


@dataclass(frozen=True)
class RevokedVersion:
    """A workload whose version must not be brought up."""

    workload: str
    version: str
    reason: str


@dataclass(frozen=True)
class Facts:
    """What is known about the box. `survey` is None where the cluster could not give one."""

    plan: Plan = field(default_factory=Plan)
    images: tuple[ImageFacts, ...] = ()
    secrets: tuple[MissingSecret, ...] = ()
    survey: Survey | None = None
    refused_hooks: tuple[ProvisionError, ...] = ()
    lost_volumes: tuple[LostVolume, ...] = ()
    taken_names: tuple[TakenName, ...] = ()
    unsigned: tuple[UnsignedImage, ...] = ()
    revoked: tuple[RevokedVersion, ...] = ()


def image_findings(facts: Facts) -> Iterator[Finding]:
    """Every image is in the runtime, or can be imported from the store."""
    for image in facts.images:
        if image.error is not None:
            yield Finding(image.error.code, image.workload, "images", str(image.error), image.error.hint)
        for lock in image.lost:
            text = "is neither in the runtime nor in the store: deploy the workload again while there is a network"
            yield Finding(IMAGE_MISSING, image.workload, str(lock.reference), text)


def signature_findings(facts: Facts) -> Iterator[Finding]:
    """Every image is signed, where the site asks for it."""
    for image in facts.unsigned:
        yield Finding(ImageUnsigned.code, image.workload, image.image, image.why, ImageUnsigned.hint_default)


def revocation_findings(facts: Facts) -> Iterator[Finding]:
    """Nothing that vouches for a version is revoked, and no image of it."""
    for each in facts.revoked:
        yield Finding(VersionRevoked.code, each.workload, f"version {each.version}", each.reason)


def name_findings(facts: Facts) -> Iterator[Finding]:
    """No name of an additional image is needed for another image, or was given to one by another client."""
    for taken in facts.taken_names:
        yield Finding("image-name-taken", taken.workload, taken.name, taken.other)


def secret_findings(facts: Facts) -> Iterator[Finding]:
    """Every secret that the objects refer to is on this box."""
    for secret in facts.secrets:
        yield Finding(secret.error.code, secret.workload, secret.name, str(secret.error), secret.error.hint)


def plan_findings(facts: Facts) -> Iterator[Finding]:
    """The cluster accepts every object."""
    # An absent image is imported before the apply, and a lost image has a finding already.
    explained = {image.workload for image in facts.images if image.absent or image.lost or image.error}
    for finding in facts.plan.findings:
        if not (finding.code == IMAGE_MISSING and finding.workload in explained):
            yield finding


def port_findings(facts: Facts) -> Iterator[Finding]:
    """No program outside the cluster listens on a port that a workload needs."""
    planned = {(finding.workload, finding.message) for finding in facts.plan.findings}
    for finding in facts.survey.port_conflicts if facts.survey else ():
        if (finding.workload, finding.message) not in planned:
            yield finding


def hook_findings(facts: Facts) -> Iterator[Finding]:
    """Every hook is executable and can be trusted."""
    for error in facts.refused_hooks:
        yield Finding(error.code, "", "hooks", str(error), error.hint)


PRECONDITIONS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    revocation_findings,
    image_findings,
    signature_findings,
    name_findings,
    secret_findings,
    plan_findings,
    port_findings,
    hook_findings,
)


def assess(facts: Facts) -> tuple[Finding, ...]:
    """All findings that prevent the apply. None: it may begin."""
    return tuple(finding for precondition in PRECONDITIONS for finding in precondition(facts))


def advice(facts: Facts) -> Iterator[str]:
    """What could make the apply fail later, or lose data. Nothing that prevents it."""
    yield from map(str, facts.lost_volumes)
    for image in facts.plan.admitted:
        yield f"{image.workload}: {image}"
    if facts.survey is None:
        return
    for right in facts.survey.denied:
        yield f"not allowed on this cluster: {right}"
    for pods in facts.survey.unplaceable:
        yield f"{pods.workload}: {pods}"
    for resource in facts.survey.resources:
        if resource.requested > resource.available:
            yield f"the node may be short of {resource.resource} for the new pods beside what runs"


def assessed(facts: Facts) -> Plan:
    """The plan with these findings instead of its own, and the advice among its notes."""
    return replace(facts.plan, findings=assess(facts), remarks=(*facts.plan.remarks, *advice(facts)))


def refusal(findings: Sequence[Finding]) -> ProvisionError:
    """All findings as one error: of their own class if they have only one."""
    words = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    kind = kind_for({finding.code for finding in findings})
    hint = findings[0].hint if len(findings) == 1 else ""
    return kind(f"{words}, nothing was changed", hint=hint, evidence=[_line(finding) for finding in findings])


def _line(finding: Finding) -> str:
    workload = f"{finding.workload}: " if finding.workload else ""
    return f"{workload}{finding.object}: {finding.message} [{finding.code}]"
