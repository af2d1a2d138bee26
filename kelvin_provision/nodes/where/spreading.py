"""Keeps up to date where images are needed and which nodes have them, in the ledger and as marks in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.nodes import ClusterNode
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, RequestRefused
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.nodes import places
from kelvin_provision.ledger.staging_state import Spread
from kelvin_provision.nodes.where.needs import needs
from kelvin_provision.nodes.where.site import Site, leads, members, site, views
from kelvin_provision.nodes.where.standing import NodeView, Standing, judge
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.workload import Object

CHUNK = 50


@dataclass
class SiteMemory:
    """What the nodes were when all versions were placed last: places change with them, and not by themselves."""

    token: object = None


def refresh(ctx: Context, memory: SiteMemory) -> None:
    """Place every version again where the nodes have changed, set the marks, and note what versions that are ready lack elsewhere.

    A cluster that does not answer leaves all as it is; a version that is to be ready says so itself.
    """
    if not leads(ctx):
        return
    try:
        _refresh(ctx, memory)
    except ProvisionError:
        memory.token = None


def _refresh(ctx: Context, memory: SiteMemory) -> None:
    nodes, here = ctx.cluster.nodes(), site(ctx)
    token = (here.platforms, tuple(map(_lasting, nodes)))
    if token != memory.token:
        for chunk in _chunks(each for each in ctx.ledger.each_revision() if each.locks):
            _place(ctx, {f"{each.workload}/{each.number}": (each, each.locks or ()) for each in chunk}, here)
        memory.token = token
    seen = views(ctx, here)
    set_marks(ctx, seen, nodes)
    for workload in ctx.ledger.readable_staged().workloads.values():
        staged = workload.staged
        if staged is not None and staged.locks and staged.download is Download.READY:
            ctx.ledger.advance(staged, Spread(_standing(ctx, staged, seen).reason))


def place(ctx: Context, revision: Revision, locks: Sequence[ImageLock], here: Site | None = None) -> None:
    """Record where its images are needed. What the cluster cannot run is needed nowhere: staging says why. Raises errors of the cluster."""
    if here is None:
        if not leads(ctx):
            return
        here = site(ctx)
    _place(ctx, {revision.workload: (revision, locks)}, here)


def _place(ctx: Context, versions: Mapping[str, tuple[Revision, Sequence[ImageLock]]], here: Site) -> None:
    """By any name. The nodes are read once for all of them."""
    objects: dict[str, Sequence[Object]] = {}
    others = members(ctx)
    for name, (revision, locks) in versions.items():
        with suppress(RequestRefused):
            objects[name] = revision.objects or ctx.cluster.render(revision.spec, locks, revision.number, others)
    where = ctx.cluster.places(objects)
    for name in objects:
        revision, locks = versions[name]
        places.record(ctx.ledger, revision, needs(locks, [place for place in where if place.workload == name], here.platforms))


def _chunks(revisions: Iterable[Revision]) -> Iterator[tuple[Revision, ...]]:
    """So many are in memory at a time."""
    iterator = iter(revisions)
    while chunk := tuple(islice(iterator, CHUNK)):
        yield chunk


def standing(ctx: Context, revision: Revision) -> Standing | None:
    """Of a version that is whole on this box; the nodes that have it are marked. None on a box that leads no others.

    Raises errors of the cluster.
    """
    if not leads(ctx):
        return None
    here, current = site(ctx), ctx.ledger.revision(revision.workload, revision.number)
    place(ctx, current, current.locks or (), here)
    seen = views(ctx, here, current.locks or ())
    set_marks(ctx, seen, ctx.cluster.nodes())
    return _standing(ctx, current, seen)


def look(ctx: Context, revision: Revision) -> Standing:
    """As the ledger has it now; nothing is changed. Raises errors of the cluster."""
    return _standing(ctx, revision, views(ctx, site(ctx)))


def _standing(ctx: Context, revision: Revision, seen: Mapping[str, NodeView]) -> Standing:
    platforms: dict[str, list[Platform]] = {}
    for lock in every_variant(revision.locks or ()):
        platforms.setdefault(lock.name, []).append(lock.platform)
    return judge(places.of_revision(ctx.ledger, revision), seen, ctx.settings.staging.nodes, platforms)


def set_marks(ctx: Context, seen: Mapping[str, NodeView], nodes: Iterable[ClusterNode]) -> None:
    """A node has a mark while it has all images of it: first the mark goes and then an image, first the image comes and then the mark."""
    marks = {
        node: frozenset(mark for mark, images in marked.items() if node in seen and images <= seen[node].images)
        for node, marked in places.marked_images(ctx.ledger).items()
    }
    if any(frozenset(node.marks) != marks.get(node.name, frozenset()) for node in nodes):
        ctx.cluster.mark_nodes(marks)


def _lasting(node: ClusterNode) -> tuple[object, ...]:
    """What the places of pods depend on."""
    labels = tuple(sorted((key, value) for key, value in node.labels.items() if not key.startswith(MARK)))
    return node.name, labels, node.taints
