"""Filters, order and pages of the platform's list, as a table."""

import base64
import itertools
import json

import pytest

from kelvin_provision.errors import CursorInvalid
from kelvin_provision.queries.items import StagedItem, WorkloadItem
from kelvin_provision.queries.listing import Cursor, Direction, Page, Query, SortKey, page, select
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Status


def item(name, state="running", **more):
    usual = {
        "name": name,
        "title": name.title(),
        "enabled": True,
        "cluster_name": "edge-1",
        "node_name": None,
        "app_name": "app",
        "app_version": "1.0.0",
        "pre_download": True,
        "instantly_apply": False,
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        "status": Status(State(state)),
        "staged": None,
    }
    return WorkloadItem(**usual | more)


STAGED = StagedItem(True, "app", "2.0.0", False, Status(State.READY))
ITEMS = [
    item("motor", title="Motor Speed", app_name="motor-speed", app_version="2.3.0", created="2026-01-03T00:00:00Z"),
    item("pump", "stopped", enabled=False, node_name="node-b", staged=STAGED, updated="2026-02-01T00:00:00Z"),
    item("gateway", "failed", app_name="opcua", cluster_name="edge-2", node_name="node-a", created="2026-01-02T00:00:00Z"),
    item("vision", "staged", title="motion study", app_version="2.3.0", staged=STAGED),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query(), ["gateway", "motor", "pump", "vision"]),
        (Query(search=("MOT",)), ["motor", "vision"]),
        (Query(search=("opc", "node-B")), ["gateway", "pump"]),
        (Query(search=("edge-2",)), ["gateway"]),
        (Query(search=("2.3.0",)), []),
        (Query(search=("motorpump",)), []),
        (Query(name=("motor", "pump", "nobody")), ["motor", "pump"]),
        (Query(name=("mot",)), []),
        (Query(app_name=("opcua",)), ["gateway"]),
        (Query(app_version=("2.3.0",)), ["motor", "vision"]),
        (Query(app_version=("2.3.0",), app_name=("app",)), ["vision"]),
        (Query(cluster_name=("edge-2",)), ["gateway"]),
        (Query(node_name=("node-a", "node-b")), ["gateway", "pump"]),
        (Query(state=(State.FAILED, State.STOPPED)), ["gateway", "pump"]),
        (Query(staged=True), ["pump", "vision"]),
        (Query(enabled=True), ["gateway", "motor", "vision"]),
        (Query(enabled=False), ["pump"]),
        (Query(enabled=True, staged=True), ["vision"]),
        (Query(direction=Direction.DESC), ["vision", "pump", "motor", "gateway"]),
        (Query(sort_by=(SortKey.TITLE,)), ["gateway", "vision", "motor", "pump"]),
        (Query(sort_by=(SortKey.NODE_NAME,)), ["gateway", "pump", "motor", "vision"]),
        (Query(sort_by=(SortKey.NODE_NAME,), direction=Direction.DESC), ["vision", "motor", "pump", "gateway"]),
        (Query(sort_by=(SortKey.ENABLED, SortKey.CREATED)), ["pump", "vision", "gateway", "motor"]),
        (Query(sort_by=(SortKey.UPDATED,), direction=Direction.DESC), ["pump", "vision", "motor", "gateway"]),
        (Query(sort_by=(SortKey.CLUSTER_NAME,)), ["motor", "pump", "vision", "gateway"]),
    ],
)
def test_what_is_chosen_and_in_which_order(query, names):
    assert [found.name for found in select(ITEMS, query)] == names


def test_without_a_size_all_of_it_is_one_page():
    assert page(ITEMS[:1], Query()) == Page((ITEMS[0],))
    assert page([], Query(), size=3).to_json() == {"data": [], "pagination": {"next_page": None, "previous_page": None}}


def test_an_item_as_the_platform_writes_it():
    assert ITEMS[1].to_json() == {
        "name": "pump",
        "title": "Pump",
        "enabled": False,
        "acp_name": "edge-1",
        "cluster_name": "edge-1",
        "node_name": "node-b",
        "app_name": "app",
        "app_version": "1.0.0",
        "pre_download": True,
        "instantly_apply": False,
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-02-01T00:00:00Z",
        "status": {"state": "stopped", "message": "Stopped", "warnings": [], "last_seen": None},
        "download_status": None,
        "download_error": None,
        "staged": {
            "ready": True,
            "app_name": "app",
            "app_version": "2.0.0",
            "status": {"state": "ready", "message": "Ready", "warnings": []},
        },
    }


def names_of(found):
    return [item.name for item in found.items]


def turned(items, text, size=None):
    """What `--next TEXT` alone answers."""
    return page(items, Query(), size=size, cursor=Cursor.decode(text))


QUERIES = [
    Query(sort_by=keys, direction=direction)
    for keys in [(), (SortKey.NODE_NAME,), (SortKey.ENABLED, SortKey.UPDATED), (SortKey.TITLE, SortKey.CREATED)]
    for direction in Direction
] + [Query(staged=True), Query(search=("mot",)), Query(enabled=False, state=(State.STOPPED,), app_version=("1.0.0",))]


@pytest.mark.parametrize(("query", "size"), list(itertools.product(QUERIES, [1, 2, 3, 4, 5])))
def test_pages_forth_and_back_are_the_whole_list(query, size):
    whole = [found.name for found in select(ITEMS, query)]
    first = document = page(ITEMS, query, size=size)
    forth = [document]
    while document.next_page:
        document = turned(ITEMS, document.next_page)
        forth.append(document)
    assert [name for found in forth for name in names_of(found)] == whole
    assert first.previous_page is None
    back = [document]
    while document.previous_page:
        document = turned(ITEMS, document.previous_page)
        back.insert(0, document)
    assert [names_of(found) for found in back] == [names_of(found) for found in forth]


def test_what_comes_and_goes_between_two_pages_neither_hides_nor_repeats_others():
    after = page(ITEMS, Query(), size=2).next_page
    assert names_of(turned([item("aaa"), *ITEMS], after)) == ["pump", "vision"]
    assert names_of(turned([one for one in ITEMS if one.name != "motor"], after)) == ["pump", "vision"]
    assert names_of(turned([*ITEMS, item("omega")], after)) == ["omega", "pump"]


def test_behind_the_last_page_is_a_way_back_to_it():
    after = page(ITEMS, Query(), size=3).next_page
    empty = turned([one for one in ITEMS if one.name != "vision"], after)
    assert (empty.items, empty.next_page) == ((), None)
    assert names_of(turned(ITEMS, empty.previous_page)) == ["motor", "pump", "vision"]
    assert turned([], after) == Page(())


def test_a_size_given_beside_a_cursor_counts():
    after = page(ITEMS, Query(), size=1).next_page
    assert names_of(turned(ITEMS, after, size=2)) == ["motor", "pump"]


def test_a_cursor_is_base64_of_json_and_safe_in_an_address():
    query = Query(search=("\N{GREEK SMALL LETTER OMEGA}?>~",), state=(State.READY,), staged=True, enabled=False, sort_by=(SortKey.ENABLED,))
    cursor = Cursor(query, 7, query.key(ITEMS[1]))
    text = cursor.encode()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert Cursor.decode(text) == cursor
    assert json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["q"]["sort_by"] == ["enabled"]


def forged(**changes):
    document = {"v": 1, "q": {"direction": "asc"}, "size": 2, "back": False, "at": [[0, "motor"]]} | changes
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "a b",
        "\N{GREEK SMALL LETTER OMEGA}",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"7").decode(),
        base64.urlsafe_b64encode(b"[" * 30_000).decode(),
        base64.urlsafe_b64encode(b"\xff{}").decode(),
        forged()[:-6],
        forged(v=2),
        forged(size=0),
        forged(size=10_001),
        forged(size="2"),
        forged(size=True),
        forged(back=1),
        forged(at=None),
        forged(at="motor"),
        forged(at=[]),
        forged(at=[[0, 7]]),
        forged(at=[[0, "a"], [0, "b"]]),
        forged(at=[["0", "a"]]),
        forged(at=[[0]]),
        forged(q={"sort_by": ["enabled"]}, at=[[0, "yes"], [0, "a"]]),
        forged(q={"sort_by": ["enabled"]}, at=[[0, 1 << 70], [0, "a"]]),
        forged(q={"sort_by": ["size"]}),
        forged(q={"state": ["nonsense"]}),
        forged(q={"state": "ready"}),
        forged(q={"search": [7]}),
        forged(q={"search": ["\ud800"]}),
        forged(at=[[0, "\ud800"]]),
        forged(q={"enabled": "yes"}),
        forged(q={"direction": "up"}),
        forged(q={"drop": "table"}),
        forged(q=[]),
    ],
)
def test_what_is_no_cursor_of_ours_is_refused(text):
    with pytest.raises(CursorInvalid, match="is not a cursor of this list") as caught:
        Cursor.decode(text)
    assert (caught.value.code, caught.value.exit_code) == ("cursor-invalid", 65)


def test_a_cursor_that_was_made_by_hand_and_is_right_is_taken():
    assert names_of(turned(ITEMS, forged())) == ["pump", "vision"]
    assert names_of(turned(ITEMS, forged(back=True))) == ["gateway"]
    assert names_of(turned(ITEMS, forged(back=True, at=None))) == ["pump", "vision"]
