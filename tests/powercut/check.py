"""A box comes up after a power cut: what was promised must be so. Everything that is not is a sentence."""

import gzip
import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import yaml

from kelvin_provision.cluster.labels import REVISION
from kelvin_provision.cluster.plan import describe
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.enums import Download
from kelvin_provision.store import Store
from tests.kit.cli import Result
from tests.powercut.box import Box, image
from tests.powercut.promises import Cut, Situation, Slot

PATIENCE = 60
"""Seconds in which a box must be idle after a cut."""


def losses(cut: Cut, disk: Path) -> list[str]:
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(PATIENCE)
    try:
        box = Box(disk)
        return [*_at_once(cut, box), *_when_idle(cut, box)]
    except Exception as error:  # noqa: BLE001  (whatever does not come up again is lost)
        return [f"{type(error).__name__}: {error}"]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _too_long(*_):
    raise TimeoutError(f"the box is not idle after {PATIENCE} s")


def _at_once(cut: Cut, box: Box) -> Iterator[str]:
    """Before anything is repaired or fetched again."""
    if not (box.state / "ledger.db").exists():
        if cut.possible[0].after.slots:
            yield "the ledger is gone"
        return
    with box.ledger() as ledger:
        for revision in ledger.revisions():
            if revision.download is Download.READY:
                yield from _not_whole(revision, box)
        lines = history.history(ledger)
        if (broken := history.broken_link(ledger)) is not None:
            yield f"the history is broken at line {broken}"
        if len(lines) < cut.proof.lines:
            yield f"the history has {len(lines)} of {cut.proof.lines} lines"
        for name, version in cut.proof.ready:
            staged = {item.name: item.staged for item in ledger.workloads()}.get(name)
            if staged and staged.spec.app_version == version and staged.download is not Download.READY:
                yield f"{name} {version} is not ready any more"


def _not_whole(revision: Revision, box: Box) -> Iterator[str]:
    """What is said to be ready is whole, in the store and in the runtime."""
    store = Store(box.state)
    for lock in revision.locks or ():
        for blob in store.kept(lock):
            path = store.path(blob)
            if not path.exists() or f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" != blob.digest:
                yield f"{revision.workload} {revision.number} is ready, and blob {blob.digest} is not whole"
        if not box.runtime.has(lock):
            yield f"{revision.workload} {revision.number} is ready, and the runtime lacks its image"
        blobs = image(lock.reference.repository, str(lock.reference.tag)).blobs
        for layer in lock.layers:
            plain = Descriptor("", *_plain(blobs[layer.digest]))
            if not (
                box.runtime.is_unpacked(layer, blobs[layer.digest]) or box.runtime.is_unpacked(plain, gzip.decompress(blobs[layer.digest]))
            ):
                yield f"{revision.workload} {revision.number} is ready, and layer {layer.digest} is not unpacked"


def _plain(compressed: bytes) -> tuple[str, int]:
    data = gzip.decompress(compressed)
    return f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)


def _when_idle(cut: Cut, box: Box) -> Iterator[str]:
    ready = _ready_blobs(box)
    if not box.settings.exists() and cut.possible[0].after.settings:
        yield "the settings are gone"
        return
    if not box.settings.exists():
        return
    yield from _refused(box.run("agent", "run", "--until-idle"), "the agent")
    yield from (f"{digest} was ready, and is fetched again" for digest in {served[0] for served in box.source.served} & ready)
    at = next((number for number, deed in enumerate(cut.possible) if deed.after == _found(box)), None)
    if at is None:
        yield f"there is {_found(box)}; promised was {' or '.join(str(deed.after) for deed in cut.possible)}"
        return
    yield from _disagreements(box)
    yield from _not_staged(box)
    yield from _refused(box.run("images", "verify"), "images verify")
    for deed in cut.possible[at + 1 :]:
        yield from _refused(box.run(*deed.words), " ".join(deed.words))
        if _found(box) != deed.after:
            yield f"{' '.join(deed.words)}, typed again, leads to {_found(box)}"
    yield from _disagreements(box)


def _refused(result: Result, what: str) -> Iterator[str]:
    if result.exit_code:
        yield f"{what}: exit code {result.exit_code}: {result.stderr.strip()}"


def _ready_blobs(box: Box) -> set[str]:
    if not (box.state / "ledger.db").exists():
        return set()
    with box.ledger() as ledger:
        revisions = [revision for revision in ledger.revisions() if revision.download is Download.READY]
    return {blob.digest for revision in revisions for lock in revision.locks or () for blob in lock.blobs()}


def _found(box: Box) -> Situation:
    slots = {}
    if (box.state / "ledger.db").exists():
        with box.ledger() as ledger:
            slots = {item.name: Slot(_version(item.running), _version(item.staged)) for item in ledger.workloads()}
    settings = yaml.safe_load(box.settings.read_text()) if box.settings.exists() else {}
    return Situation(slots, {"timeout": str(settings["apply"]["timeout"]).removesuffix("s")} if settings else {})


def _version(revision: Revision | None) -> str | None:
    return revision.spec.app_version if revision else None


def _disagreements(box: Box) -> Iterator[str]:
    """Ledger, cluster, store and runtime tell the same, and nothing is under way."""
    with box.ledger() as ledger:
        if journal.unfinished(ledger) is not None:
            yield "a change is still under way"
        if (broken := history.broken_link(ledger)) is not None:
            yield f"the history is broken at line {broken}"
        yield from _of_the_cluster(box, ledger)
        for revision in ledger.revisions():
            if revision.download is Download.READY:
                yield from _not_whole(revision, box)


def _not_staged(box: Box) -> Iterator[str]:
    with box.ledger() as ledger:
        for workload in ledger.workloads():
            if workload.staged and workload.staged.download is not Download.READY:
                yield f"{workload.name} {workload.staged.spec.app_version} is not staged: {workload.staged.cause}"


def _of_the_cluster(box: Box, ledger: Ledger) -> Iterator[str]:
    running = {item.name: item.running for item in ledger.workloads() if item.running}
    wanted = {name: {describe(item): revision.number for item in revision.objects or ()} for name, revision in running.items()}
    live = {
        name: {key: int(item["metadata"]["annotations"][REVISION]) for key, item in objects.items()}
        for name, objects in box.cluster.live.items()
    }
    if wanted != live:
        yield f"the cluster has {live}, and the ledger {wanted}"
