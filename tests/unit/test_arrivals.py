"""Where an image's bytes came from and how far it is: noted once, told in words, as JSON and by `show`, `list` and `deploy --wait`."""

import dataclasses
import json
from pathlib import Path

import pytest

from kelvin_provision.agent import activity
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.cli.render.transfers import describe, summary
from kelvin_provision.events import Advanced, Finished, Started
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.queries.transfers import ImageTransfer
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import origins
from kelvin_provision.staging.origins import Origin
from kelvin_provision.store import Store
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.images import random_image
from tests.kit.ledgers import migrated
from tests.kit.locks import lock_of
from tests.kit.staging import reach

MIB = 1 << 20
IMAGE = random_image([3000, 1000], level=0)
LOCK = lock_of(IMAGE, "r.io/pump:1")


def arrival(here, **more):
    return ImageTransfer("r.io/acme/pump:1@sha256:1", "1", "r.io/acme/pump:1", size=36 * MIB, here=here, **more)


def origin(cached, taken, fetched):
    return {"cached": cached, "taken": taken, "fetched": fetched}


@pytest.mark.parametrize(
    ("one", "source", "said"),
    [
        (arrival(36 * MIB, **origin(36 * MIB, 0, 0)), "cache", "36.0 MiB, already present"),
        (arrival(36 * MIB, **origin(0, 36 * MIB, 0)), "containerd", "36.0 MiB, from containerd"),
        (arrival(36 * MIB, **origin(0, 0, 36 * MIB)), "network", "36.0 MiB, downloaded"),
        (arrival(36 * MIB, **origin(MIB, 2 * MIB, 33 * MIB)), "network", "36.0 MiB, 1.0 MiB already present, 2.0 MiB from containerd, 33.0 MiB downloaded"),
        (arrival(36 * MIB, **origin(MIB, 35 * MIB, 0)), "containerd", "36.0 MiB, 1.0 MiB already present, 35.0 MiB from containerd"),
        (arrival(36 * MIB), None, "36.0 MiB, complete"),
        (arrival(36 * MIB, **origin(0, 0, 36 * MIB), verb="importing"), "network", "36.0 MiB, downloaded, importing"),
        (arrival(9 * MIB, **origin(0, 0, 9 * MIB)), "network", "9.0 MiB of 36.0 MiB, 25%"),
        (arrival(9 * MIB, **origin(0, 0, 9 * MIB), rate=MIB), "network", "9.0 MiB of 36.0 MiB, 25%, 1.0 MiB/s, 27s left"),
        (arrival(9 * MIB, **origin(8 * MIB, 0, MIB), rate=MIB), "network", "9.0 MiB of 36.0 MiB, 25%, 1.0 MiB/s, 27s left, 8.0 MiB already present"),
        (arrival(9 * MIB), "network", "9.0 MiB of 36.0 MiB, 25%"),
        (ImageTransfer("r.io/pump:1", "1", "r.io/pump:1", pulled=True), "cluster", "the cluster pulls it"),
        (ImageTransfer("r.io/pump:1", "1", "r.io/pump:1"), None, "not resolved yet"),
    ],
)  # fmt: skip
def test_an_image_in_words(one, source, said):
    assert (one.source, describe(one)) == (source, said)


def test_several_images_in_one_cell():
    both = [arrival(36 * MIB, **origin(0, 0, 36 * MIB)), ImageTransfer("r.io:5000/gate:2", "2", "r.io:5000/gate:2")]
    assert summary(both) == "pump:1: 36.0 MiB, downloaded; gate:2: not resolved yet"


# --- what is noted ---------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def accept(ledger, name="pump", batch="batch"):
    spec = Spec(name=name, title=name, app_name=name, app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/pump:1")
    ledger.accept([spec], batch)
    ledger.set_locks(ledger.workload(name).staged, [LOCK])
    return ledger.workload(name).staged


def put(store, *blobs):
    for blob in blobs:
        store.put(blob, IMAGE.blobs.get(blob.digest, IMAGE.manifest))


def test_what_is_here_before_was_cached_and_what_the_block_brings_was_taken(ledger, store):
    revision = accept(ledger)
    put(store, LOCK.manifest, LOCK.config, LOCK.layers[0])
    with origins.recorded(ledger, revision, [LOCK], store):
        put(store, LOCK.layers[1])
    first, second = (layer.size for layer in LOCK.layers)
    assert origins.origins_of(ledger, revision) == {LOCK.name: Origin(first, second)}


def test_a_later_turn_changes_nothing_about_what_was_cached(ledger, store):
    revision = accept(ledger)
    with origins.recorded(ledger, revision, [LOCK], store):
        pass
    with store.partial(LOCK.layers[0]) as partial:
        partial.write(IMAGE.blobs[LOCK.layers[0].digest][:500])
    with origins.recorded(ledger, revision, [LOCK], Store(store.root)):
        put(store, LOCK.layers[1])
    assert origins.origins_of(ledger, revision) == {LOCK.name: Origin(0, LOCK.layers[1].size)}


def test_it_is_forgotten_with_its_revision_and_never_that_of_another(ledger, store):
    first = accept(ledger)
    put(store, *LOCK.layers)
    with origins.recorded(ledger, first, [LOCK], store):
        pass
    ledger.drop_staged("pump")
    again = accept(ledger, batch="later")
    assert (again.number, first.number) == (1, 1)
    assert origins.origins_of(ledger, again) == {}
    with origins.recorded(ledger, again, [LOCK], store):
        pass
    assert json.loads(ledger.origins(again)) == {LOCK.name: [sum(layer.size for layer in LOCK.layers), 0, 0]}


def test_the_ledger_hears_of_it_once(ledger, store):
    revision = accept(ledger)
    with origins.recorded(ledger, revision, [LOCK], store):
        pass
    before = ledger.version()
    for _ in range(10):
        with origins.recorded(ledger, revision, [LOCK], store):
            pass
    assert ledger.version() == before


# --- what is shown ---------------------------------------------------------------------------------


@pytest.fixture
def half(ledger, store):
    """The first layer was here, half of the second has been fetched; an agent is at it."""
    revision = accept(ledger)
    put(store, LOCK.manifest, LOCK.config, LOCK.layers[0])
    with origins.recorded(ledger, revision, [LOCK], store):
        pass
    with store.partial(LOCK.layers[1]) as partial:
        partial.write(IMAGE.blobs[LOCK.layers[1].digest][:500])
    reach(ledger, revision, Download.DOWNLOADING)
    return revision


@pytest.fixture
def agent(tmp_path):
    """One that lives, and says that it gets 100 bytes a second."""
    now = [0.0]
    with exclusive(process.lock_path(tmp_path), command="agent run"):
        found = activity.Activity(process.now_path(tmp_path), lambda event: None, clock=lambda: now[0])
        found(Started("r.io/pump:1", "downloading", LOCK.size))
        for second in range(11):
            now[0] = float(second)
            found(Advanced("r.io/pump:1", 100 * second, LOCK.size))
        yield


def show(folder: Path, *more):
    return run("workloads", *more, "--state-dir", str(folder))


def test_show_says_how_far_each_image_is_and_where_from(half, agent, tmp_path):
    document = json.loads(show(tmp_path, "show", "-n", "pump", "--json").stdout)
    rest = LOCK.layers[1].size - 500
    assert document["images"] == [
        {
            "image": LOCK.pinned_reference,
            "app_version": "1",
            "additional": False,
            "source": "network",
            "size": LOCK.size,
            "here": LOCK.size - rest,
            "cached": LOCK.layers[0].size,
            "taken": 0,
            "medium": 0,
            "fetched": 500,
            "delta": None,
            "doing": "downloading",
            "rate": 100,
            "seconds_left": rest // 100,
            "signatures": None,
        }
    ]
    (line,) = [line for line in show(tmp_path, "show", "-n", "pump").stdout.splitlines() if line.startswith("Images:")]
    assert line.endswith("(11.4 KiB of 20.9 KiB, 54%, 100 B/s, 1m37s left, 10.0 KiB already present)")


def test_a_wide_list_says_it_too_and_the_platforms_list_does_not(half, agent, tmp_path):
    wide = show(tmp_path, "list", "-o", "wide").stdout.splitlines()
    assert wide[0].split()[-1] == "IMAGES"
    assert "pump:1: " in wide[1]
    assert "100 B/s" in wide[1]
    assert "IMAGES" not in show(tmp_path, "list").stdout
    (item,) = json.loads(show(tmp_path, "list", "--json").stdout)["data"]
    assert "images" not in item


def test_without_an_agent_nothing_has_a_rate(half, tmp_path):
    (image,) = json.loads(show(tmp_path, "show", "-n", "pump", "--json").stdout)["images"]
    assert (image["doing"], image["rate"], image["seconds_left"]) == (None, 0, None)


def test_an_image_that_is_whole_when_it_is_first_seen_was_already_here(ledger, store):
    revision = accept(ledger)
    put(store, *LOCK.blobs())
    with origins.recorded(ledger, revision, [LOCK], store):
        pass
    reach(ledger, revision, Download.READY)
    box = Box(store.root)
    assert follow(box.ctx, FollowRequest((revision,))) == {"pump": "ready"}
    box.close()
    assert [event for event in box.said if isinstance(event, Started | Advanced | Finished)] == [
        Started("r.io/pump:1", "importing"),
        Finished("r.io/pump:1", "ready", "already present"),
    ]


def test_one_that_was_fetched_says_so_at_its_end(half, ledger, store):
    box = Box(store.root)

    def rest():
        with store.partial(LOCK.layers[1]) as partial:
            partial.write(IMAGE.blobs[LOCK.layers[1].digest][500:])
            partial.commit()
        reach(ledger, half, Download.READY)

    steps = iter([rest])
    follow(box.ctx, FollowRequest((half,)), each_look=lambda: [step() for step in steps])
    box.close()
    tasks = [event for event in box.said if isinstance(event, Started | Finished)]
    assert tasks == [
        Started("r.io/pump:1", "downloading", LOCK.size, LOCK.size - LOCK.layers[1].size + 500),
        Started("r.io/pump:1", "importing"),
        Finished("r.io/pump:1", "ready", "10.0 KiB already present, 10.0 KiB downloaded"),
    ]


def test_json_of_one_that_is_not_resolved():
    one = ImageTransfer("r.io/pump:1", "1", "r.io/pump:1")
    assert {key: value for key, value in one.to_json().items() if value not in {None, 0}} == {"image": "r.io/pump:1", "app_version": "1"}
    assert dataclasses.replace(one, pulled=True).to_json()["source"] == "cluster"
