"""The stream of events: the list, then every change once, to whoever may listen, for as long as it does."""

import http.client

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.work import events, feed
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.spec.enums import Download
from tests.kit.api import serving
from tests.kit.box import reconcile
from tests.kit.confirmation import CONFIRMED
from tests.kit.events import listening
from tests.kit.staging import reach
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.slow

EVENTS = "/edge/v1/events"


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A stream where nothing happens says so soon."""
    monkeypatch.setattr(feed, "COMMENT", 0.5)


def places(events):
    return [(event.data["name"], event.data["before"], event.data["after"]) for event in events if event.name == "workload"]


def started(stream):
    """What there is when it begins."""
    return stream.until("complete")


def test_the_list_comes_first_and_then_every_change(box, api):
    with listening(api) as stream:
        begin, *workloads, complete = started(stream)
        assert (begin.name, begin.id, stream.retry) == ("reset", "", 3000)
        assert places(workloads) == [("fan", None, "running"), ("pump", None, "running, 2.0.0 ready"), ("valve", None, "ready")]
        assert workloads[0].data["item"]["status"]["message"] == "Running"
        assert complete.id == stream.last != ""
        box.command_apply("pump")
        (event,) = stream.until("workload", name="pump", after="running")[-1:]
        assert event.data["item"]["app_version"] == "2.0.0"
        box.undeploy("pump")
        (event,) = stream.until("workload", after=None)[-1:]
        assert (event.data["name"], event.data["item"]) == ("pump", None)


def test_who_comes_again_goes_on_where_the_stream_was_cut(box, api):
    with listening(api) as stream:
        started(stream)
    last = stream.last
    box.undeploy("valve")
    box.undeploy("fan")
    with listening(api, last=last) as stream:
        assert {(event.data["name"], event.data["after"]) for event in (stream.next(), stream.next())} == {("valve", None), ("fan", None)}
        box.deploy("late")
        assert stream.next().data["name"] == "late"


@pytest.mark.parametrize("last", ["other-3", "x", "-", "0", "é", "deadbeef-99999999999999999999"])
def test_who_comes_again_to_another_process_gets_the_list(quiet, last):
    with listening(quiet, last=last.encode("latin-1").decode("latin-1")) as stream:
        assert [event.name for event in started(stream)] == ["reset", "workload", "workload", "workload", "complete"]


def test_who_falls_behind_or_was_away_for_too_long_gets_the_list(box, api, monkeypatch):
    monkeypatch.setattr(events, "KEPT", 0)
    with listening(api) as stream:
        last = started(stream)[-1].id
        box.ledger.drop_staged("valve")
        assert places(started(stream)) == [("fan", None, "running"), ("pump", None, "running, 2.0.0 ready")]
    with listening(api, last=last) as stream:
        assert [event.name for event in started(stream)] == ["reset", "workload", "workload", "complete"]


def test_only_the_workloads_that_are_asked_for(box, api):
    with listening(api, f"{EVENTS}?workload_name=pump&workload_name=late") as stream:
        assert [name for name, _, _ in places(started(stream))] == ["pump"]
        box.undeploy("fan")
        box.deploy("late")
        assert stream.next().data["name"] == "late"
    assert api.get(f"{EVENTS}?name=pump").status == 400
    assert api.get(f"{EVENTS}?{'&'.join(f'workload_name=w-{number}' for number in range(101))}").status == 400


def test_a_change_that_is_no_other_state_is_an_event_and_a_mere_confirmation_is_none(box, api):
    with listening(api) as stream:
        started(stream)
        reconcile(box)
        box.deploy("late")
        assert stream.next().data["name"] == "late", "no event for running workloads that have not changed"


def limited(box, streams):
    box.settings = type(box.settings)(**vars(box.settings) | {"api": ApiSettings(streams=streams)})


def test_a_user_has_half_of_the_streams_and_leaves_the_others_to_others(box):
    limited(box, 4)
    with serving(box) as api, listening(api) as first, listening(api):
        answer = api.get(EVENTS)
        assert (answer.status, answer.error["name"]) == (503, "too-many-streams")
        assert answer.error["description"] == "read has 2 streams of events open already, half of what there is (api.streams)"
        with listening(api, level=Level.ADMIN) as other:
            assert started(first)[-1].name == started(other)[-1].name == "complete"
            assert [api.ask("HEAD", EVENTS, token=api.as_level(level)).status for level in (Level.READ, Level.DEPLOY)] == [503, 200]


def test_one_stream_is_a_share_too(box):
    limited(box, 1)
    with serving(box) as api, listening(api) as stream:
        assert started(stream)[-1].name == "complete"


def test_streams_are_few_and_a_client_that_hangs_up_frees_its_place(box):
    limited(box, 2)
    with serving(box) as api:
        with listening(api) as first, listening(api, level=Level.ADMIN) as second:
            started(first), started(second)
            answer = api.get(EVENTS, Level.DEPLOY)
            assert (answer.status, answer.error["name"]) == (503, "too-many-streams")
            assert api.ask("HEAD", EVENTS, token=api.as_level(Level.READ)).status == 503
        until(lambda: len(api.services.feed) == 0)
        assert api.ask("HEAD", EVENTS, token=api.as_level(Level.READ)).status == 200
        until(lambda: len(api.services.feed) == 0)
        with listening(api) as stream:
            started(stream)


def test_silence_has_comments(quiet, monkeypatch):
    monkeypatch.setattr(feed, "COMMENT", 0.05)
    with listening(quiet) as stream:
        started(stream)
        lines = [stream.response.readline() for _ in range(4)]
    assert lines == [b":\n", b"\n"] * 2


def test_a_stream_ends_with_the_login_of_who_listens(box, api, monkeypatch):
    monkeypatch.setattr(feed, "COMMENT", 0.05)
    with listening(api) as stream:
        started(stream)
        api.services.authenticator._users.remove("read", CONFIRMED)
        assert stream.next() is None


def test_it_ends_in_good_order_with_the_api(box):
    with serving(box) as api, listening(api) as stream:
        started(stream)
        api.server.config.timeout_graceful_shutdown = 600  # uvicorn would wait so long for who does not end by itself
        api.server.stop()
        assert stream.next() is None, "the last chunk: nothing was cut off"


def test_the_progress_of_a_download_is_told_beside_the_changes(box, api):
    """Also while nothing is written to the ledger; a client cannot resume from it."""
    box.deploy("late")
    box.source.cut, box.source.cuts = 0, 1000
    box.turn()
    reach(box.ledger, box.ledger.workload("late").staged, Download.DOWNLOADING)
    layer = box.ledger.workload("late").staged.locks[0].layers[0]
    with listening(api) as stream:
        last, percents = started(stream)[-1].id, [stream.next().data["percent"]]
        for size in (1500, 1000):
            with box.store.partial(layer) as partial:
                partial.write(bytes(size))
            event = stream.next()
            assert (event.name, event.data["name"], event.id, stream.last) == ("progress", "late", None, last)
            percents.append(event.data["percent"])
        assert percents == sorted(set(percents))
        with listening(api) as other:
            assert started(other)[-1].name == "complete"
            assert other.next().data == event.data, "who comes later is told how far it is"


def test_without_a_ledger_the_streams_end_and_the_next_one_is_told_why(box, api):
    with listening(api) as stream:
        started(stream)
        (box.settings.state_dir / "ledger.db").rename(box.settings.state_dir / "gone.db")
        assert stream.next() is None
    answer = api.get(EVENTS)
    assert (answer.status, answer.error["name"]) == (503, "cannot-write")


def test_a_client_that_hangs_up_at_once_leaves_nothing(api):
    token = api.as_level(Level.READ)
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)
        connection.request("GET", EVENTS, headers={"Authorization": f"Bearer {token}"})
        connection.close()
    until(lambda: api.ask("HEAD", EVENTS, token=token).status == 200)
    until(lambda: len(api.services.feed) == 0)
    with listening(api) as stream:
        assert started(stream)[-1].name == "complete"
