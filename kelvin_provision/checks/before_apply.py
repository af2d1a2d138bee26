"""The table of `workloads check`, and the facts that its checks need, each collected when first needed. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.applying.assess import Facts, TakenName, name_findings
from kelvin_provision.applying.facts import missing_secrets, revoked_versions, with_placeholders
from kelvin_provision.applying.gate import obstacle
from kelvin_provision.applying.selection import appliable
from kelvin_provision.applying.taken_names import taken_names
from kelvin_provision.applying.target import Target
from kelvin_provision.check_result import CheckResult
from kelvin_provision.checks import admission, cluster_plan, images
from kelvin_provision.checks.cluster import cluster_identity, right_cluster
from kelvin_provision.checks.images import Disk, Staged, Stored
from kelvin_provision.checks.runner import Check, Fact, run_checks
from kelvin_provision.checks.signed import image_signatures
from kelvin_provision.cluster.plan import Plan
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import NotReady
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.nodes.where import spreading
from kelvin_provision.nodes.where.site import leads, members
from kelvin_provision.quantity import NO_HEADROOM
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object
from kelvin_provision.store import BlobState, Store
from kelvin_provision.store.blobs import rehash
from kelvin_provision.store.space import filesystem_of

Rendered = Mapping[str, Sequence[Object]]

DEEP = Check(
    "deep",
    "All blobs verified again",
    "A corrupt disk is found now, and not when an image must be imported offline.",
    images.hashed,
    ("stored", "hashes", "statuses"),
)
NODES = Check(
    "nodes",
    "Nodes",
    "A pod starts offline only on a node that has its images; the others are not used until they have them.",
    images.spread,
    ("standings",),
)
CHECKS = (
    Check("staged", "Staged and complete", "Only complete revisions are applied.", images.complete, ("staged",)),
    Check(
        "revoked",
        "Revoked",
        "What a key, a bundle or an image of the trust document revokes is not brought up any more.",
        admission.revoked,
        ("revoked",),
    ),
    Check(
        "store",
        "Blobs in the store",
        "An image that the kubelet removed is imported again from there, without a network.",
        images.stored,
        ("stored", "statuses"),
    ),
    DEEP,
    Check(
        "signatures",
        "Signatures of images",
        "Where images must be signed, an apply with another image is refused.",
        image_signatures.signed,
        ("image-signers",),
    ),
    Check(
        "cluster",
        "Cluster",
        "Everything runs on it; another cluster knows nothing of what runs now.",
        right_cluster,
        ("identity",),
    ),
    Check("images", "Images in the runtime", "Containers start from these images.", images.in_runtime, ("stored", "statuses", "runtime")),
    NODES,
    Check(
        "platform",
        "Platform",
        "An image for another platform can be imported, but does not start.",
        images.platform,
        ("stored", "runtime"),
    ),
    Check(
        "pins",
        "Pinned",
        "The kubelet removes images that no container uses, unless they are pinned.",
        images.pinned,
        ("stored", "statuses", "runtime"),
    ),
    Check(
        "pull-policy",
        "Pull policy",
        "A pod that pulls from a registry does not start without a network.",
        cluster_plan.pull_policy,
        ("staged", "survey", "plan", "names"),
    ),
    Check(
        "credentials",
        "Registry logins",
        "New kubelets do not let a pod use an image that was pulled with a login that the pod lacks.",
        cluster_plan.credentials,
        ("survey", "logins", "state"),
    ),
    Check(
        "space",
        "Disk",
        "A full disk stops an import half-way, and makes the kubelet remove images.",
        images.space,
        ("stored", "statuses", "disks"),
    ),
    Check(
        "namespace", "Namespace", "Nothing can be created in a namespace that is being deleted.", cluster_plan.namespaces, ("state", "plan")
    ),
    Check("secrets", "Secrets", "A missing secret stops the apply.", cluster_plan.secrets, ("named", "missing")),
    Check("kinds", "Kinds", "The cluster refuses objects whose definition is not installed.", cluster_plan.kinds, ("plan",)),
    Check("dry-run", "Dry run", "What the server refuses now, it would refuse during the apply.", cluster_plan.dry_run, ("plan",)),
    Check("ports", "Ports", "Two programs cannot use one port: the new pod would never start.", cluster_plan.ports, ("plan", "survey")),
    Check(
        "node",
        "Node",
        "A pod never starts on an unhealthy node, or on one with a taint that it does not tolerate, and the apply is undone.",
        cluster_plan.node,
        ("survey", "state"),
    ),
    Check(
        "room",
        "Resources for new pods",
        "If the new pod does not fit beside the old one, it never starts and the apply is undone.",
        cluster_plan.room,
        ("survey", "state"),
    ),
    Check("rights", "Permissions", "A missing permission stops the apply half-way.", cluster_plan.rights, ("survey",)),
    Check(
        "gate", "Window and holds", "An apply is refused while its window is closed or a workload is held.", admission.opened, ("obstacle",)
    ),
    Check(
        "rehearsal",
        "Rehearsal",
        "A version that was started here beside the running one starts here in the window as well.",
        admission.rehearsed,
        ("rehearsals",),
    ),
    Check("hooks", "Hooks", "A pre-apply hook that cannot run stops the apply before anything is changed.", admission.hooks, ("hooks",)),
)


def run(
    ctx: Context, workloads: Sequence[Workload], *, deep: bool = False, skip: Sequence[str] = (), stop: Callable[[], bool] = lambda: False
) -> tuple[CheckResult, ...]:
    """Check everything that an apply of these workloads needs. Raises UsageRefused for an unknown id, Interrupted."""
    left_out = {*(() if deep else (DEEP.id,)), *(() if leads(ctx) else (NODES.id,))}
    checks = tuple(check for check in CHECKS if check.id not in left_out)
    return run_checks(checks, facts(ctx, workloads, stop), skip=[check_id for check_id in skip if check_id not in left_out], stop=stop)


def facts(ctx: Context, workloads: Sequence[Workload], stop: Callable[[], bool]) -> dict[str, Fact[Any]]:
    """Facts by name. One that depends on another calls it, so that nothing is collected twice."""
    revisions = [workload.staged for workload in workloads if workload.staged]
    staged = Fact(lambda: tuple(_staged(revisions, ctx.store)))
    stored = Fact(lambda: tuple(_stored(revisions, ctx.store)))
    cluster, runtime = Fact(lambda: ctx.connections.cluster), Fact(lambda: ctx.runtime)
    objects = Fact(lambda: _rendered(cluster(), revisions, members(ctx)))
    state = Fact(lambda: cluster().state())
    locks = images.locks_of(_plain(revision) for revision in revisions)
    return {
        "staged": staged,
        "stored": stored,
        "hashes": Fact(lambda: rehash.rehash(_kept(locks, ctx.store), ctx.store.path, ctx.progress, stop)),
        "image-signers": Fact(lambda: image_signatures.gathered(ctx, revisions)),
        "statuses": Fact(lambda: runtime().inspect(locks) if locks else {}),
        "runtime": Fact(lambda: runtime().info()),
        "standings": Fact(lambda: {each.workload: spreading.look(ctx, each) for each in revisions if each.locks}),
        "names": Fact(lambda: runtime().image_names()),
        "disks": Fact(lambda: tuple(_disks(runtime()))),
        "state": state,
        "identity": Fact(lambda: cluster_identity(ctx, state())),
        "objects": objects,
        "survey": Fact(lambda: cluster().survey(objects())),
        "plan": Fact(
            lambda: _with_names(cluster().plan(objects(), with_placeholders(ctx.lookup)), taken_names(ctx.ledger, runtime, revisions))
        ),
        "logins": Fact(lambda: {workload.name: _logins(workload) for workload in workloads}),
        "named": Fact(lambda: len({name for items in objects().values() for name in references_in(list(items))})),
        "missing": Fact(lambda: tuple(missing_secrets(objects(), ctx.lookup))),
        "obstacle": Fact(lambda: obstacle(_observed_now(workloads, cluster), ctx.settings.apply.window, ctx.now)),
        "rehearsals": Fact(lambda: {workload.name: workload.rehearsal for workload in workloads}),
        "revoked": Fact(lambda: tuple(revoked_versions(ctx, (Target(each, each.staged, ()) for each in workloads if each.staged)))),
        "hooks": Fact(lambda: admission.Hooks(*ctx.hooks.inspect())),
    }


def _with_names(plan: Plan, taken: Iterable[TakenName]) -> Plan:
    return replace(plan, findings=(*plan.findings, *name_findings(Facts(taken_names=tuple(taken)))))


def _observed_now(workloads: Sequence[Workload], cluster: Callable[[], Cluster]) -> tuple[Workload, ...]:
    """With the holds that the cluster reports now, which are not stored."""
    running = any(workload.running for workload in workloads)
    observed = cluster().observe() if running else {}
    return tuple(replace(each, observation=seen) if (seen := observed.get(each.name)) else each for each in workloads)


def _plain(revision: Revision) -> Staged:
    return Staged(
        revision.workload, revision.spec.app_version, revision.spec.method, revision.download, revision.cause or "", revision.locks
    )


def _staged(revisions: Sequence[Revision], store: Store) -> Iterator[Staged]:
    """As `_stored`."""
    known: dict[tuple[ImageLock, ...], tuple[int, int]] = {}
    for revision in revisions:
        locks = revision.locks or ()
        if locks not in known:
            known[locks] = store.progress(locks)
        done, total = known[locks]
        yield _plain(revision)._replace(done=done, total=total)


def _kept(locks: Sequence[ImageLock], store: Store) -> list[Descriptor]:
    return [blob for lock in locks for blob in store.kept(lock)]


def _stored(revisions: Sequence[Revision], store: Store) -> Iterator[Stored]:
    """Workloads share images: each is looked at once."""
    known: dict[ImageLock, Stored] = {}
    for revision in revisions:
        for lock in revision.locks or ():
            if lock not in known:
                bad = [(blob, state) for blob in store.kept(lock) if (state := store.state(blob)) is not BlobState.VERIFIED]
                known[lock] = Stored(revision.workload, lock, tuple(bad), store.plain_layers(lock))
            yield known[lock]._replace(workload=revision.workload)


def _rendered(cluster: Cluster, revisions: Sequence[Revision], others: Collection[str]) -> Rendered:
    """The rendered objects. A revision whose images are not resolved yet cannot be rendered."""
    ready = [revision for revision in revisions if revision.locks or appliable(revision)]
    if not ready:
        raise NotReady("no image is resolved yet, so nothing can be applied")
    return {revision.workload: cluster.render(revision.spec, revision.locks or (), revision.number, others) for revision in ready}


def _disks(runtime: Runtime) -> Iterator[Disk]:
    """The same numbers as for staging: without the blocks that are reserved for root."""
    folder = runtime.storage().unpacked
    filesystem = filesystem_of(folder, NO_HEADROOM) if folder else None
    if filesystem:
        yield Disk(runtime.name, str(folder), filesystem.free)


def _logins(workload: Workload) -> frozenset[str]:
    """The registries for which the running version has a login."""
    running = workload.running
    names = references_in(list(running.objects or ())) if running else ()
    return frozenset(name.partition(".")[2] for name in names if name.startswith("registries."))
