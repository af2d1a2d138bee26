"""The list: filters, order, three ways to page, and cursors that carry everything."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.work.box import KEPT
from kelvin_provision.usecases import deploy
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.specs import spec

LIST = "/api/v4/workloads/list"


def names(answer):
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.json["data"]]


def query(api, text="", **more):
    return api.get(f"{LIST}?{text}", **more)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    found = Box(tmp_path_factory.mktemp("many") / "state")
    found.deploy(*[f"w-{number:02d}" for number in range(25)])
    found.turn()
    found.command_apply("w-03")
    found.deploy("w-99")
    with serving(found) as client:
        yield client
    found.close()


def test_an_item_has_the_keys_of_the_platform_in_their_order(quiet):
    (item,) = query(quiet, "workload_name=pump").json["data"]
    assert list(item) == [
        "name", "title", "enabled", "acp_name", "cluster_name", "node_name", "app_name", "app_version", "pre_download", "instantly_apply",
        "created", "updated", "status", "download_status", "download_error", "staged",
    ]  # fmt: skip
    assert (item["status"]["state"], item["status"]["message"], item["node_name"]) == ("running", "Running", None)
    assert (item["app_version"], item["staged"]["app_version"], item["staged"]["ready"]) == ("1.0.0", "2.0.0", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["fan", "pump", "valve"]),
        ("search=U", ["pump"]),
        ("search=fa&search=va", ["fan", "valve"]),
        ("workload_name=pump&workload_name=fan", ["fan", "pump"]),
        ("app_name=valve", ["valve"]),
        ("app_version=1.0.0&app_name=pump", ["pump"]),
        ("cluster_name=c", ["fan", "pump", "valve"]),
        ("acp_name=other", []),
        ("acp_name=c&cluster_name=other", ["fan", "pump", "valve"]),
        ("node_name=n", []),
        ("staged=True", ["pump", "valve"]),
        ("staged=true", ["pump", "valve"]),
        ("staged=false", ["fan", "pump", "valve"]),
        ("enabled=False", []),
        ("enabled=1", ["fan", "pump", "valve"]),
        ("asset_name=a", []),
        ("download_statuses=ready", ["fan", "pump", "valve"]),
        ("download_statuses=failed&download_statuses=pending", []),
        ("direction=desc", ["valve", "pump", "fan"]),
        ("sort_by=title&direction=DESC", ["valve", "pump", "fan"]),
        ("search=", ["fan", "pump", "valve"]),
        ("workload_name=docs-demo-motor-speed&staged=false&pagination_type=cursor&page_size=20&direction=asc&sort_by=name", []),
    ],
)
def test_filters_are_those_of_the_platform(quiet, text, expected):
    assert names(query(quiet, text)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stagd=true", "unknown parameter 'stagd'; did you mean staged?"),
        ("staged=perhaps", "staged is 'perhaps'; accepted are true and false"),
        ("staged=true&staged=false", "staged is given 2 times"),
        ("page_size=0", "accepted are 1 to 10000"),
        ("page_size=10001", "accepted are 1 to 10000"),
        ("page_size=1e3", "accepted are 1 to 10000"),
        (f"page_size={'9' * 4000}", "accepted are 1 to 10000"),
        ("page=-1", "accepted are 1 to 1000000"),
        ("pagination_type=pages", "accepted are cursor, limits, stream"),
        ("direction=up", "accepted are asc, desc"),
        ("sort_by=colour", "accepted are name, title"),
        ("download_statuses=ready&download_statuses=gone", "accepted are pending, scheduled"),
        ("nulls=middle", "accepted are first, last"),
        ("&".join(f"search={number}" for number in range(101)), "search is given 101 times; the limit is 100"),
    ],
)
def test_a_parameter_that_has_no_meaning_is_400(quiet, text, said):
    answer = query(quiet, text)
    assert (answer.status, answer.error["name"]) == (400, "bad-query")
    assert said in answer.error["description"]


@pytest.mark.parametrize("cursor", ["abc", "eyJ2IjoxfQ", "%00", "x" * 5000, "e30"])
def test_a_cursor_that_is_none_is_400(quiet, cursor):
    answer = query(quiet, f"next={cursor}")
    assert (answer.status, answer.error["name"]) == (400, "cursor-invalid")


def test_old_clients_follow_the_cursor_alone_and_keep_their_filters(many):
    """0.x sends `next` and the number of items that it got, and nothing else."""
    found, text = [], "page_size=10&search=w-&direction=desc&staged=True"
    while True:
        page = query(many, text).json
        found += [item["name"] for item in page["data"]]
        if not page["pagination"]["next_page"]:
            break
        text = f"next={page['pagination']['next_page']}&page_size={len(page['data'])}"
    assert found == sorted({f"w-{number:02d}" for number in (*range(25), 99)} - {"w-03"}, reverse=True)


def test_new_clients_repeat_their_filters_and_those_of_the_cursor_count(many):
    first = query(many, "page_size=20&search=w-").json
    second = query(many, f"page_size=20&search=nothing&pagination_type=cursor&next={first['pagination']['next_page']}").json
    assert [item["name"] for item in second["data"]] == [*(f"w-{number:02d}" for number in range(20, 25)), "w-99"]
    back = query(many, f"previous={second['pagination']['previous_page']}").json
    assert back["data"] == first["data"]


def test_of_two_cursors_next_counts(many):
    """A client that began at a previous page repeats that with each next one."""
    first = many.get(f"{LIST}?page_size=2").json["pagination"]["next_page"]
    second = many.get(f"{LIST}?next={first}").json
    previous, following = second["pagination"]["previous_page"], second["pagination"]["next_page"]
    assert many.get(f"{LIST}?previous={previous}&next={following}").json == many.get(f"{LIST}?next={following}").json
    assert many.get(f"{LIST}?previous=abc&next={following}").status == 400


def test_a_cursor_carries_the_states_of_downloads(many):
    first = query(many, "page_size=20&download_statuses=ready").json
    assert len(first["data"]) == 20
    second = query(many, f"next={first['pagination']['next_page']}&page_size=20").json
    assert [item["download_status"] for item in second["data"]] == ["ready"] * 5
    assert query(many, f"next={first['pagination']['next_page'].partition('.')[0]}.gone").status == 400


def test_pages_by_number(many):
    first = query(many, "pagination_type=limits&page_size=10").json
    assert first["pagination"] == {"page": 1, "page_size": 10, "total_pages": 3, "total_items": 26}
    last = query(many, "pagination_type=limits&page_size=10&page=3").json
    assert (len(last["data"]), last["pagination"]["page"]) == (6, 3)
    assert query(many, "pagination_type=limits&page=1000000").json["data"] == []
    empty = query(many, "pagination_type=limits&search=zzz").json["pagination"]
    assert empty == {"page": 1, "page_size": 20, "total_pages": 0, "total_items": 0}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """`a` and `c` have a node, `b` and `d` have none."""
    found = Box(tmp_path_factory.mktemp("nodes") / "state")
    specs = [replace(spec(name), node_name=node) for name, node in (("a", "n-2"), ("b", None), ("c", "n-1"), ("d", None))]
    deploy.store(found.ctx, specs)
    with serving(found) as client:
        yield client
    found.close()


@pytest.mark.parametrize("pagination", ["cursor", "limits", "stream"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "cabd"),
        ("nulls=last", "cabd"),
        ("nulls=First", "bdca"),
        ("direction=desc", "dbac"),
        ("direction=desc&nulls=first", "dbac"),
        ("direction=desc&nulls=last", "acdb"),
    ],
)
def test_workloads_without_a_value_are_where_they_are_asked_for(nodes, pagination, more, expected):
    text = f"sort_by=node_name&pagination_type={pagination}&{more}"
    if pagination == "cursor":
        pages, text = [], f"{text}&page_size=1"
        while text:
            document = query(nodes, text).json
            pages += document["data"]
            back = document["pagination"]["previous_page"]
            assert back is None or len(query(nodes, f"previous={back}").json["data"]) == 1
            place = document["pagination"]["next_page"]
            text = f"next={place}&page_size=1" if place else ""
        assert "".join(item["name"] for item in pages) == expected
        return
    answer = query(nodes, text)
    items = answer.json["data"] if pagination == "limits" else [json.loads(line) for line in answer.body.splitlines()]
    assert "".join(item["name"] for item in items) == expected


def test_a_stream_is_a_line_for_each_item(many):
    answer = query(many, "pagination_type=stream&search=w-0")
    assert answer.headers["content-type"] == "application/x-json-stream"
    assert [json.loads(line)["name"] for line in answer.body.splitlines()] == [f"w-{number:02d}" for number in range(10)]


def test_json_cursor_is_answered_as_asked(quiet):
    assert query(quiet, headers={"Accept": "application/json-cursor"}).headers["content-type"] == "application/json-cursor"
    assert query(quiet, headers={"Accept": "application/json"}).headers["content-type"] == "application/json"
    assert query(quiet).headers["content-type"] == "application/json"


def test_a_list_that_has_not_changed_is_304_and_a_change_is_seen_at_once(box, api):
    first = query(api)
    tag = first.headers["etag"]
    again = query(api, headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    box.deploy("fan", version="9.0.0")
    changed = query(api, headers={"If-None-Match": tag})
    assert (changed.status, changed.headers["etag"] != tag) == (200, True)
    assert [item["staged"] and item["staged"]["app_version"] for item in changed.json["data"]] == ["9.0.0", "2.0.0", "1.0.0"]


def test_a_workload_has_its_payload_its_networking_and_no_extra_level(quiet):
    document = quiet.get("/api/v4/workloads/pump/get", Level.READ).json
    assert (document["name"], document["networking"], document["staged"]["ready"]) == ("pump", [], True)
    assert document["payload"] == {}
    assert quiet.get("/api/v4/workloads/pump/configurations/get").json == {"configuration": {}}


def test_many_questions_with_short_answers_take_bounded_memory(quiet):
    for number in range(KEPT + 40):
        assert quiet.get(f"{LIST}?workload_name={number}").json["data"] == []
    assert len(quiet.services.box._made) <= KEPT
