"""The facts that an assessment looks at, gathered from runtime, store, cluster and settings. The cluster is not changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from kelvin_provision.applying.assess import Facts, ImageFacts, MissingSecret, RevokedVersion, UnsignedImage
from kelvin_provision.applying.image_volumes import lost_volumes
from kelvin_provision.applying.taken_names import taken_names
from kelvin_provision.applying.target import TakenBack, Target, desired_objects
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.cluster.survey import Survey
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, StateDamaged
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.nodes.where.site import members
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging import importing
from kelvin_provision.staging.image_names import AS_SAID, names_here
from kelvin_provision.staging.revocation import why_revoked
from kelvin_provision.staging.signatures.judging import counted, current
from kelvin_provision.trust.documents.model import Role
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.roles import image_role

_PLACEHOLDERS = {"registries": '{"auths":{}}'}


def render_staged(ctx: Context, workloads: Sequence[Workload]) -> tuple[Target, ...]:
    """Render the staged revisions. Raises RequestRefused for what this cluster cannot run."""
    return tuple(
        Target(workload, staged, ctx.cluster.render(staged.spec, staged.locks or (), staged.number, members(ctx)))
        for workload in workloads
        if (staged := workload.staged)
    )


def gather(
    ctx: Context, targets: Sequence[Target], taken_back: Sequence[TakenBack] = (), *, put_back: bool = False, hooks: bool = True
) -> Facts:
    """Collect the facts for an apply. With `put_back`, images that the runtime lost are first imported from the store.

    Raises errors of the cluster when it does not answer.
    """
    images = tuple(_images(ctx, target, put_back=put_back) for target in targets if target.revision.locks)
    objects = desired_objects(targets, taken_back)
    refused = tuple(ctx.hooks.inspect()[1]) if hooks else ()
    plan = ctx.cluster.plan(objects, with_placeholders(ctx.lookup), {target.name: target.scale for target in targets})
    return Facts(
        plan=plan,
        images=images,
        secrets=tuple(missing_secrets(objects, ctx.lookup)),
        survey=_survey(ctx, objects),
        refused_hooks=refused,
        lost_volumes=tuple(lost_volumes(ctx.store, targets)),
        taken_names=tuple(
            taken_names(ctx.ledger, lambda: ctx.runtime, [target.revision for target in targets], [each.name for each in taken_back])
        ),
        unsigned=tuple(unsigned_images(ctx, [(target.name, target.revision) for target in targets if _is_new(target)])),
        revoked=tuple(revoked_versions(ctx, targets)),
    )


def _is_new(target: Target) -> bool:
    """A way back brings nothing that was not accepted before."""
    staged = target.workload.staged
    return staged is not None and staged.number == target.revision.number


def revoked_versions(ctx: Context, targets: Iterable[Target]) -> Iterator[RevokedVersion]:
    """Those of the targets that are revoked. What runs already is not brought up, but put back, or started again.

    Where the trust document is damaged, by what the ledger noted when it was accepted: a bad file must not end every apply.
    """
    trust, names = None, AS_SAID
    with suppress(StateDamaged):
        trust = ctx.trust
        names = names_here(trust, lambda: ctx.store, ctx.ledger)
    for target in targets:
        running, revision = target.workload.running, target.revision
        reason = revision.revoked or (why_revoked(trust, revision, names=names) if trust else "")
        if reason and (running is None or running.number != revision.number):
            yield RevokedVersion(target.name, revision.spec.app_version, reason)


def _images(ctx: Context, target: Target, *, put_back: bool) -> ImageFacts:
    locks = target.revision.locks or ()
    try:
        if put_back:
            _, lost = importing.put_back(locks, ctx.store, ctx.runtime, ctx.progress)
            return ImageFacts(target.name, lost=lost)
        absent, lost = importing.absent(locks, ctx.store, ctx.runtime)
        return ImageFacts(target.name, absent, lost)
    except ProvisionError as error:
        return ImageFacts(target.name, error=error)


def _survey(ctx: Context, objects: Mapping[str, Sequence[Object]]) -> Survey | None:
    """None where the user may not ask for it: the plan is still useful."""
    try:
        return ctx.cluster.survey(objects)
    except ProvisionError:
        return None


def missing_secrets(objects: Mapping[str, Sequence[Object]], lookup: Lookup) -> Iterator[MissingSecret]:
    """Each missing name once, with the first workload that refers to it."""
    seen: set[str] = set()
    for workload, documents in objects.items():
        for name in references_in(list(documents)):
            if name in seen:
                continue
            seen.add(name)
            try:
                lookup(name)
            except ProvisionError as error:
                yield MissingSecret(workload, name, error)


def with_placeholders(lookup: Lookup) -> Lookup:
    """For a dry run: a missing secret is a finding of its own, so it must not prevent the others."""

    def value(name: str) -> str:
        try:
            return lookup(name)
        except ProvisionError:
            return _PLACEHOLDERS.get(name.partition(".")[0], "missing")

    return value


# --- signatures of images -------------------------------------------------------------------------------


def unsigned_images(ctx: Context, revisions: Sequence[tuple[str, Revision]]) -> Iterator[UnsignedImage]:
    """Images of versions that are not signed as this box asks for, by the keys that are trusted now. Nothing is fetched for it."""
    if not required(ctx.settings.trust, "image"):
        return
    try:
        role = image_role(ctx.trust)
    except ProvisionError as error:
        yield from (UnsignedImage(name, image, str(error)) for name, revision in revisions for image in images_of(revision.spec))
        return
    for name, revision in revisions:
        if revision.locks is None:
            yield from (UnsignedImage(name, image, _PULLED) for image in images_of(revision.spec))
        for lock in revision.locks or ():
            reasons = dict.fromkeys(_why(ctx, each, role) for each in every_variant([lock]))
            yield from (UnsignedImage(name, str(lock.reference), why) for why in reasons if why)


_PULLED = "the cluster pulls it itself, so its signature cannot be checked: deploy it staged"


def _why(ctx: Context, lock: ImageLock, role: Role) -> str:
    """Empty if it is signed."""
    try:
        signed = counted(current(ctx.ledger, ctx.store, lock, role), role)
    except ProvisionError as error:
        return str(error)
    return "" if signed.counts else signed.text
