"""Pages from the ledger's indexes: the same as of items in memory, at the same cost however many workloads there are."""

import itertools
import json
import random
import sqlite3

import pytest

from kelvin_provision.errors import UsageRefused
from kelvin_provision.ledger import holds, journal, orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.ledger.rows import listing as rows
from kelvin_provision.ledger.rows.inspection import damage as damage_of
from kelvin_provision.ledger.staging_state import ApplyFailed, Downloading, Ready, StagingFailed, TakenBack, Waiting
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.queries import pages
from kelvin_provision.queries.items import item_of
from kelvin_provision.queries.listing import Cursor, Direction, Query, SortKey, page
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.spec.enums import Method, State
from kelvin_provision.status import OperationKind, Verb
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import Box
from tests.kit.ledgers import migrated
from tests.kit.many import many
from tests.kit.specs import spec

pytestmark = pytest.mark.slow

EVENTS = (
    None, Downloading(), Ready(), Ready("no such kind"), StagingFailed("not found"), ApplyFailed("exit code 3", blocks=True),
    Waiting(WaitReason(WaitKind.HOLD)), TakenBack("1.0.0"),
)  # fmt: skip
TITLES = ("Pump", "pump 2", "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}bersicht", "Zone", "a pump")


def _apply(ledger, *names):
    workloads = ledger.workloads(names)
    steps = [Step(each.name, each.running and each.running.number, each.staged.number) for each in workloads]
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, steps)
    journal.commit(ledger, operation)
    journal.end(ledger, operation, [], keep=2)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Workloads in every situation, with times that repeat."""
    dice = random.Random(11)  # noqa: S311
    ticks = itertools.count()
    path = migrated(tmp_path_factory.mktemp("mixed") / "ledger.db")
    with Ledger(path, clock=lambda: f"2026-11-23T00:00:{next(ticks) // 40 % 60:02d}.000000Z") as ledger:
        names = [f"w-{number:02}" for number in range(60)]

        def deploy(name, version):
            method, node = dice.choice(list(Method)), dice.choice([None, "node-b", "Node-A"])
            one = spec(name, version, method, node_name=node)
            one = type(one)(**vars(one) | {"title": dice.choice(TITLES), "app_name": dice.choice(["app", "other"])})
            (revision,) = ledger.accept([one], f"batch-{name}")
            for event in (dice.choice(EVENTS), dice.choice(EVENTS)):
                if event:
                    ledger.advance(revision, event)

        for name in names:
            deploy(name, "1.0.0")
        _apply(ledger, *names[:40])
        for name in names[20:40]:
            deploy(name, "2.0.0")
        for name in names[:40]:
            ledger.observe({name: Observation(dice.choice(list(Observed)), seen=ledger.clock(), reachable=dice.random() > 0.2)})
        with ledger.writing() as db:
            db.execute("UPDATE workloads SET enabled = 0 WHERE name IN ('w-03', 'w-07', 'w-25')")
        holds.hold(ledger, ["w-05"], "inspection", actor="anna")
        for name, verb in (("w-01", Verb.STOP), ("w-02", Verb.UNDEPLOY), ("w-45", Verb.UNDEPLOY)):
            orders.place(ledger, OrderRequest("anna", verb, (Target(name),)))
        steps = [Step(name, ledger.workload(name).running.number, None) for name in ("w-10", "w-11")]
        journal.begin(ledger, OperationKind.STOP, Phase.FINISHING, steps)
        yield ledger


QUERIES = [Query(sort_by=keys, direction=way) for keys in [(), *((key,) for key in SortKey)] for way in Direction] + [
    Query(sort_by=(SortKey.ENABLED, SortKey.UPDATED), direction=Direction.DESC),
    Query(sort_by=(SortKey.TITLE, SortKey.NODE_NAME)),
    Query(staged=True), Query(staged=True, sort_by=(SortKey.TITLE,)), Query(enabled=False), Query(enabled=True, staged=True),
    Query(search=("PUMP",)), Query(search=("node-a", "w-33")), Query(search=("\N{LATIN SMALL LETTER U WITH DIAERESIS}bers",)),
    Query(search=("nothing",)), Query(app_name=("other",)), Query(app_name=("other", "app"), app_version=("2.0.0",)),
    Query(name=("w-07", "w-01", "nobody")), Query(node_name=("Node-A",)), Query(cluster_name=("edge",), sort_by=(SortKey.CREATED,)),
    *(Query(state=(state,)) for state in State),
    *(Query(state=(state,), staged=True) for state in (State.READY, State.FAILED, State.DOWNLOADING, State.RECEIVED)),
    Query(state=(State.RUNNING, State.FAILED, State.STOPPING), sort_by=(SortKey.TITLE,), direction=Direction.DESC),
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: Cursor(query, 1, None, back=True).encode()[:60])
def test_every_page_is_that_of_the_items_in_memory(mixed, query):
    items = [item_of(workload, staged=query.staged) for workload in mixed.workloads()]
    assert [item.name for item in page(items, query).items] == list(pages.names(mixed, query).names)
    for size in (1, 7, 100):
        cursor = None
        for turn in range(200):
            there = page(items, query, size=size, cursor=cursor)
            here = pages.names(mixed, query, size=size, cursor=cursor)
            assert here == pages.Names(tuple(item.name for item in there.items), there.next_page, there.previous_page)
            # Forth to the end, and back to the start.
            text = here.next_page if turn < 100 and here.next_page else here.previous_page
            if text is None:
                break
            cursor = Cursor.decode(text)


def test_every_state_is_one_that_the_ledger_knows_by_its_situation(mixed):
    """A state of a workload about which nothing is under way or ordered is that of its situation."""
    with mixed.reading() as db:
        stored = dict(db.execute("SELECT name, situation FROM listing WHERE view = 0"))
    assert {rows.situation(text).running for text in stored.values()} == {True, False}
    assert all(rows.situation(text) is not None for text in stored.values())
    assert rows.situation("") is None
    assert rows.situation("1/running/1/nonsense/ready/0/") is None
    assert rows.situation("1/nonsense/1////").observation is None  # a damaged one is made again


def test_behind_the_last_page_and_between_two_pages_names_may_come_and_go(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        ledger.accept([spec(name) for name in ("a", "b", "c", "d")], "batch")
        after = Cursor.decode(pages.names(ledger, Query(), size=2).next_page)
        ledger.accept([spec("aa")], "batch")
        ledger.drop_staged("b")
        assert pages.names(ledger, Query(), cursor=after).names == ("c", "d")
        for name in ("c", "d"):
            ledger.drop_staged(name)
        empty = pages.names(ledger, Query(), cursor=after)
        assert (empty.names, empty.next_page) == ((), None)
        assert pages.names(ledger, Query(), cursor=Cursor.decode(empty.previous_page)).names == ("a", "aa")
        for name in ("a", "aa"):
            ledger.drop_staged(name)
        assert pages.names(ledger, Query(), cursor=after) == pages.Names(())


# --- costs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """A ledger with few workloads, and one with twenty times as many."""
    folder = tmp_path_factory.mktemp("sizes")
    return [many(folder / str(count) / "ledger.db", count) for count in (100, 2000)]


def test_these_ledgers_are_as_the_program_writes_them(sizes):
    for path in sizes:
        with Ledger(path) as ledger:
            assert damage_of(ledger) == ()


def steps(path, work):
    """Instructions of SQLite's machine that the work takes, in thousands."""
    with Ledger(path) as ledger:
        count = itertools.count()
        ledger._connection.set_progress_handler(lambda: next(count) and None, 100)
        work(ledger)
        return next(count)


COSTS = [Query(sort_by=keys, direction=way) for keys in [(), *((key,) for key in SortKey)] for way in Direction] + [
    Query(staged=True), Query(state=(State.RUNNING,)), Query(state=(State.FAILED,)), Query(app_name=("motor-speed",)),
    Query(app_name=("other",)), Query(name=("workload-000099",)), Query(enabled=True, sort_by=(SortKey.TITLE,)),
]  # fmt: skip


@pytest.mark.parametrize("query", COSTS, ids=lambda query: Cursor(query, 1, None, back=True).encode()[:60])
def test_a_page_costs_the_same_however_many_workloads_there_are(sizes, query):
    def work(ledger):
        first = pages.names(ledger, query, size=10)
        if first.next_page:
            pages.names(ledger, query, cursor=Cursor.decode(first.next_page))
        ledger.existing(first.names)

    few, very_many = (steps(path, work) for path in sizes)
    assert very_many <= 1.5 * few + 5


def test_a_list_reads_the_workloads_of_its_page_only(tmp_path):
    box = Box(tmp_path)
    many(box.ledger.path, 50)
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = 'damaged' WHERE workload >= 'workload-000020'")
    shown = overview(box.ctx, OverviewRequest(Query(), size=10)).page
    assert [item.status.state for item in shown.items] == [State.RUNNING] * 10


# --- what is kept for it --------------------------------------------------------------------------


def test_what_is_listed_follows_every_change(tmp_path):
    box = Box(tmp_path)
    box.deploy("pump", "fan")
    box.deploy("lamp", method=Method.INSTANT)
    box.turn()
    box.command_apply("pump", "fan")
    box.deploy("pump", version="2.0.0")
    box.turn()
    box.command_apply("pump")
    box.deploy("fan", version="2.0.0")
    box.ledger.drop_staged("fan")
    assert box.ledger.stale_listing() == ()
    assert [*pages.names(box.ledger, Query()).names] == box.ledger.names()


def test_a_row_that_a_failing_disk_changed_is_found_and_written_again_by_the_agent(tmp_path):
    box = Box(tmp_path)
    box.deploy("pump")
    box.turn()
    raw = sqlite3.connect(box.ledger.path)
    raw.execute("UPDATE listing SET situation = 'nonsense' WHERE view = 0")
    raw.commit()
    raw.close()
    (found,) = damage_of(box.ledger)
    assert str(found) == "the ledger is damaged: table listing, row pump"
    assert "agent restart" in str(found.hint)
    assert [item.name for item in overview(box.ctx, OverviewRequest(Query())).page.items] == ["pump"]
    assert box.ledger.renew_listing() == ("pump",)
    assert damage_of(box.ledger) == ()


def test_a_search_in_any_script_changes_nothing_of_what_is_written_after_it(tmp_path):
    umlaut = "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}fen"
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger, Ledger(tmp_path / "ledger.db") as other:
        one = spec("pump")
        ledger.accept([type(one)(**vars(one) | {"title": umlaut})], "batch")
        assert pages.names(ledger, Query(search=(umlaut.lower(),))).names == ("pump",)
        ledger.accept([type(one)(**vars(one) | {"title": umlaut})], "batch")
        assert other.stale_listing() == ()


@pytest.mark.parametrize("value", [None, 5, b"\x00", "2026"])
@pytest.mark.parametrize("way", Direction)
def test_a_value_of_another_kind_keeps_no_workload_from_the_list(tmp_path, value, way):
    """Several situations, whose lists are merged."""
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        ledger.accept([spec("lamp"), spec("pump"), spec("fan", method=Method.INSTANT)], "batch")
        with ledger.writing() as db:
            db.execute("UPDATE listing SET updated = ? WHERE name = 'lamp'", (value,))
            db.execute("UPDATE listing SET situation = 'nonsense' WHERE name = 'pump'")
            in_sqlite = [row[0] for row in db.execute("SELECT name FROM listing WHERE view = 0 ORDER BY updated, name")]
        shown = pages.names(ledger, Query(state=tuple(State), sort_by=(SortKey.UPDATED,), direction=way)).names
        assert list(shown) == (in_sqlite if way is Direction.ASC else in_sqlite[::-1])
        assert len(shown) == 3


def test_a_payload_whose_type_is_no_text_keeps_no_workload_from_the_list(tmp_path):
    """Such as one that an earlier release has accepted."""
    box = Box(tmp_path)
    box.deploy("fan", "pump")
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = json_set(spec, '$.payload', json('{\"type\": [1]}')) WHERE workload = 'pump'")
    shown = overview(box.ctx, OverviewRequest(Query())).page.items
    assert [(item.name, item.app_type) for item in shown] == [("fan", "docker"), ("pump", "docker")]


@pytest.mark.parametrize("value", [5, b"\x00"])
def test_a_situation_that_is_no_text_keeps_no_workload_from_the_list(tmp_path, value):
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        ledger.accept([spec("lamp"), spec("pump")], "batch")
        with ledger.writing() as db:
            db.execute("UPDATE listing SET situation = ? WHERE name = 'lamp'", (value,))
        assert pages.names(ledger, Query(state=tuple(State))).names == ("lamp", "pump")
        assert ledger.names_in(lambda now: now is None) == ("lamp",)
        assert ledger.renew_listing() == ("lamp",)


NO_TEXT = "\udcff"  # what a byte that is not UTF-8 is on a command line


@pytest.mark.parametrize(
    "query", [Query(search=(NO_TEXT,)), Query(name=(NO_TEXT,)), Query(app_name=(NO_TEXT,))], ids=["search", "name", "app"]
)
def test_what_is_typed_and_is_no_text_is_refused(tmp_path, query):
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger, pytest.raises(UsageRefused, match=r"\\udcff is not text"):
        pages.names(ledger, query)


def test_a_note_that_is_no_text_is_refused(tmp_path):
    box = Box(tmp_path)
    box.deploy("pump")
    refused = box.run("workloads", "hold", "pump", "--reason", NO_TEXT)
    assert refused.exit_code == UsageRefused.exit_code
    assert "is not text" in refused.stderr


def test_another_program_can_write_the_ledger(tmp_path):
    """Triggers need no function of ours; a value of any kind keeps no other one from being written."""
    box = Box(tmp_path)
    box.deploy("pump")
    raw = sqlite3.connect(box.ledger.path)
    raw.execute("UPDATE workloads SET title = 'Pumpe', observation = ?", (json.dumps([1]),))
    raw.execute("UPDATE workloads SET observation = 'not JSON'")
    raw.execute("UPDATE revisions SET waiting = 'not JSON'")
    raw.execute("UPDATE workloads SET running = 99")
    raw.commit()
    raw.close()
    assert box.ledger.stale_listing() == ()
