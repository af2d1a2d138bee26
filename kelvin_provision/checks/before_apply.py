"""`workloads check` as a table, and the facts that its checks look at, each asked when a check needs it. Touches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.applying.facts import missing_secrets, with_placeholders
from kelvin_provision.applying.foreign_text import masked_plan
from kelvin_provision.applying.gate import obstacle
from kelvin_provision.applying.selection import appliable
from kelvin_provision.checks import gate, images, planned
from kelvin_provision.checks.cluster_identity import cluster_identity, right_cluster
from kelvin_provision.checks.examine import Check, Fact, examine
from kelvin_provision.checks.images import Disk, Staged, Stored
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import NotReady
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.quantity import NO_HEADROOM
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object
from kelvin_provision.store import BlobState, Store
from kelvin_provision.store.blobs import rehash
from kelvin_provision.store.space import filesystem_of
from kelvin_provision.verdict import Line

Wanted = Mapping[str, Sequence[Object]]

DEEP = Check(
    "deep",
    "Every byte hashed again",
    "A disk that lies is found now, and not when an image must be put back offline.",
    images.hashed,
    ("stored", "hashes", "sights"),
)
CHECKS = (
    Check("staged", "Staged and complete", "Apply takes only what is complete.", images.complete, ("staged",)),
    Check(
        "store",
        "Blobs in the store",
        "An image that a collector took away is put back from there, without a network.",
        images.stored,
        ("stored", "sights"),
    ),
    DEEP,
    Check(
        "cluster",
        "The cluster",
        "Everything is put on it; another one than before knows none of what runs.",
        right_cluster,
        ("whereabouts",),
    ),
    Check("images", "Images in the runtime", "Containers start from there.", images.in_runtime, ("stored", "sights", "runtime")),
    Check(
        "platform",
        "For this platform",
        "An image for another processor imports well and fails at its start.",
        images.platform,
        ("stored", "runtime"),
    ),
    Check(
        "pins",
        "Pinned",
        "The kubelet throws away images that no container uses, unless they are pinned.",
        images.pinned,
        ("stored", "sights", "runtime"),
    ),
    Check(
        "pull-policy", "Offline-safe", "A pod that asks a registry does not start without one.", planned.pull_policy, ("staged", "survey")
    ),
    Check(
        "credentials",
        "Logins for pulling",
        "New kubelets refuse an image that came with a login to a pod without it.",
        planned.credentials,
        ("survey", "logins", "state"),
    ),
    Check(
        "space",
        "Disk",
        "A full disk stops an import in its middle, and makes kubelets throw images away.",
        images.space,
        ("stored", "sights", "disks"),
    ),
    Check("namespace", "The namespace", "Nothing can be made in one that is being deleted.", planned.namespace, ("state",)),
    Check("secrets", "Secrets", "A secret that is missing stops the apply.", planned.secrets, ("named", "missing")),
    Check("kinds", "Kinds of objects", "The cluster refuses a kind whose definition is not installed.", planned.kinds, ("plan",)),
    Check("dry-run", "Dry run", "What the server refuses now it would refuse in the middle of the apply.", planned.dry_run, ("plan",)),
    Check("ports", "Ports of this box", "Two cannot have one port: the new pod would never start.", planned.ports, ("plan", "survey")),
    Check(
        "room",
        "Room for new pods",
        "Without room beside the old pod the new one is never started, and the apply goes back.",
        planned.room,
        ("survey", "state"),
    ),
    Check("rights", "Rights", "A right that is missing stops the apply in its middle.", planned.rights, ("survey",)),
    Check("gate", "Window and holds", "An apply is refused while its window is closed or a workload is held.", gate.opened, ("obstacle",)),
    Check("hooks", "Hooks", "A pre-apply hook that cannot be run stops the apply before anything is touched.", gate.hooks, ("hooks",)),
)


def run(
    ctx: Context, found: Sequence[Workload], *, deep: bool = False, skip: Sequence[str] = (), stop: Callable[[], bool] = lambda: False
) -> tuple[Line, ...]:
    """Look at everything that an apply of these workloads needs. Raises UsageRefused for an unknown id, Interrupted."""
    checks = CHECKS if deep else tuple(check for check in CHECKS if check is not DEEP)
    return examine(checks, facts(ctx, found, stop), skip=[word for word in skip if deep or word != DEEP.id], stop=stop)


def facts(ctx: Context, found: Sequence[Workload], stop: Callable[[], bool]) -> dict[str, Fact[Any]]:
    """Each fact by its name. What leans on another asks for it itself, so that nothing is asked twice."""
    revisions = [workload.staged for workload in found if workload.staged]
    staged = Fact(lambda: tuple(_staged(revision, ctx.store) for revision in revisions))
    stored = Fact(lambda: tuple(_stored(revisions, ctx.store)))
    cluster, runtime = Fact(lambda: ctx.connections.cluster), Fact(lambda: ctx.runtime)
    wanted = Fact(lambda: _wanted(cluster(), revisions))
    state = Fact(lambda: cluster().state())
    locks = images.locks_of([_plain(revision) for revision in revisions])
    return {
        "staged": staged,
        "stored": stored,
        "hashes": Fact(lambda: rehash.rehash((blob for lock in locks for blob in lock.blobs()), ctx.store.path, ctx.progress, stop)),
        "sights": Fact(lambda: runtime().inspect(locks) if locks else {}),
        "runtime": Fact(lambda: runtime().info()),
        "disks": Fact(lambda: tuple(_disks(runtime()))),
        "state": state,
        "whereabouts": Fact(lambda: cluster_identity(ctx, state())),
        "wanted": wanted,
        "survey": Fact(lambda: cluster().survey(wanted())),
        "plan": Fact(lambda: masked_plan(ctx, cluster().plan(wanted(), with_placeholders(ctx.lookup)), wanted())),
        "logins": Fact(lambda: {workload.name: _logins(workload) for workload in found}),
        "named": Fact(lambda: len({name for objects in wanted().values() for name in references_in(list(objects))})),
        "missing": Fact(lambda: tuple(missing_secrets(wanted(), ctx.lookup))),
        "obstacle": Fact(lambda: obstacle(_seen_now(found, cluster), ctx.settings.apply.window, ctx.now)),
        "hooks": Fact(lambda: gate.Scripts(*ctx.hooks.inspect())),
    }


def _seen_now(found: Sequence[Workload], cluster: Callable[[], Cluster]) -> tuple[Workload, ...]:
    """With the holds that the cluster tells of now, and nothing of that written down."""
    running = any(workload.running for workload in found)
    seen = cluster().observe() if running else {}
    return tuple(replace(workload, observation=seen.get(workload.name) or workload.observation) for workload in found)


def _plain(revision: Revision) -> Staged:
    return Staged(
        revision.workload, revision.spec.app_version, revision.spec.method, revision.download, revision.cause or "", revision.locks
    )


def _staged(revision: Revision, store: Store) -> Staged:
    done, total = store.progress(revision.locks or ())
    plain = _plain(revision)
    return Staged(plain.workload, plain.version, plain.method, plain.download, plain.error, plain.locks, done, total)


def _stored(revisions: Sequence[Revision], store: Store) -> Iterator[Stored]:
    for revision in revisions:
        for lock in revision.locks or ():
            poor = [(blob, standing) for blob in lock.blobs() if (standing := store.state(blob)) is not BlobState.VERIFIED]
            yield Stored(revision.workload, lock, tuple(poor))


def _wanted(cluster: Cluster, revisions: Sequence[Revision]) -> Wanted:
    """What can be rendered: a revision whose images are not known yet cannot."""
    ready = [revision for revision in revisions if revision.locks or appliable(revision)]
    if not ready:
        raise NotReady("no image is known yet, so there is nothing to put on the cluster")
    return {revision.workload: cluster.render(revision.spec, revision.locks or (), revision.number) for revision in ready}


def _disks(runtime: Runtime) -> Iterator[Disk]:
    """What staging reckons with: the reserve of root is left alone."""
    folder = runtime.storage().unpacked
    room = filesystem_of(folder, NO_HEADROOM) if folder else None
    if room:
        yield Disk(runtime.name, str(folder), room.free)


def _logins(workload: Workload) -> frozenset[str]:
    """The registries that the running version has a login for."""
    running = workload.running
    names = references_in(list(running.objects or ())) if running else ()
    return frozenset(name.partition(".")[2] for name in names if name.startswith("registries."))
