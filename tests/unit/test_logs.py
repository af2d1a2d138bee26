"""Logs: bytes to lines, following what comes and goes, and where one run ends on Docker."""

import threading
import time
from datetime import datetime

import pytest

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker.logs import run_boundary
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.reading.logs import logs as kubernetes_logs
from kelvin_provision.cluster.logs import lines
from kelvin_provision.cluster.logs.follow import FollowPolicy, follow
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources
from kelvin_provision.errors import ClusterUnreachable
from tests.kit.live_containers import live_container
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

T = "2026-01-02T03:04:05.00000000{}Z".format


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100000000Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T05:04:05.5+02:00", "2026-01-02T03:04:05.500000000Z"),
    ],
)
def test_times_are_brought_to_one_form(text, same):
    assert timestamps.normalized(text) == same


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=f"^{text}$|month"):
        timestamps.normalized(text)


def texts(*chunks, since=""):
    return [line.text for line in lines.parse("pod", "c", chunks, since=since)]


def test_lines_are_found_however_the_bytes_are_cut():
    data = f"{T(1)} one\n{T(2)} \n{T(3)} tw\N{LATIN SMALL LETTER O WITH DIAERESIS} \xff\r\n{T(4)} last".encode()
    for size in (1, 7, 1000):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        assert texts(*chunks) == ["one", "", "tw\xf6 \xff", "last"]
    (line,) = lines.parse("pod", "c", [f"{T(1)} one\n".encode()])
    assert line == LogLine("pod", "c", T(1), "one")


def test_bytes_that_are_no_utf_8_are_replaced():
    assert texts(T(1).encode() + b" a\xff\xfeb\n") == ["a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"]


def test_a_line_without_an_end_is_never_held_whole():
    endless = [f"{T(1)} ".encode(), *([b"x" * 50_000] * 5), f"\n{T(2)} after\n".encode()]
    found = texts(*endless)
    assert found[-1] == "after"
    assert max(map(len, found)) <= lines.MAX_LINE
    assert "".join(found[:-1]) == "x" * 250_000


def test_what_the_node_says_itself_is_no_line_of_the_workload():
    assert texts(b"unable to retrieve container logs for containerd://eeb\n", f"{T(1)} one\nrpc error: x".encode()) == ["one"]


def test_lines_before_the_time_asked_for_are_left_out():
    assert texts(f"{T(1)} one\n{T(2)} two\n{T(3)} three\n".encode(), since=T(2)) == ["two", "three"]


# --- following ------------------------------------------------------------------------------------


class Script:
    """A stream that says its lines, then ends, breaks, or waits to be closed."""

    def __init__(self, said, then="end"):
        self.said, self.then = said, then
        self.closed = threading.Event()

    def __iter__(self):
        yield from self.said
        if self.then == "wait":
            self.closed.wait(2 * PATIENCE)
        if self.then == "break":
            raise ClusterUnreachable("the line broke")

    def close(self):
        self.closed.set()


def line(number, pod="pod"):
    return LogLine(pod, "c", T(number), f"line {number}")


class Pods:
    """What `find` answers, one look after the other; the last one for ever."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.opened = []

    def __call__(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def source(self, *scripts, run="1", writes=False, pod="pod"):
        scripts = list(scripts)

        def opened(tail, since):
            self.opened.append((pod, run, tail, since))
            if isinstance(scripts[0], Exception):
                raise scripts.pop(0)
            return scripts.pop(0) if len(scripts) > 1 else scripts[0]

        return LogSource(pod, run, writes, opened)


QUICK = FollowPolicy(refresh=0.05, tick=0.02)


def followed(pods, tail=None, since=None, stop=lambda: False):
    return [found.text for found in follow(pods, tail=tail, since=since, stop=stop, policy=QUICK)]


def test_following_ends_when_all_has_ended():
    pods = Pods()
    pods.looks = [LogSources([pods.source(Script([line(1), line(2)]))], more_expected=False)]
    assert followed(pods, tail=5, since="2026-01-01T00:00:00Z") == ["line 1", "line 2"]
    assert pods.opened == [("pod", "1", 5, "2026-01-01T00:00:00Z")]


def test_nothing_at_all_is_the_end():
    assert followed(Pods(LogSources([], more_expected=False))) == []


def test_pods_on_their_way_are_waited_for_and_read_from_their_start():
    pods = Pods()
    late = pods.source(Script([line(1)]))
    pods.looks = [
        LogSources([], more_expected=True),
        LogSources([], more_expected=True),
        LogSources([late], more_expected=True),
        LogSources([late], more_expected=False),
    ]
    assert followed(pods, tail=0) == ["line 1"]
    assert pods.opened == [("pod", "1", None, None)]


def test_a_stream_that_breaks_goes_on_where_it_broke():
    pods = Pods()
    broken = pods.source(Script([line(1), line(2)], "break"), Script([line(1), line(2), line(3)]), writes=True)
    over = pods.source(Script([]), writes=False)
    pods.looks = [
        LogSources([broken], more_expected=True),
        LogSources([broken], more_expected=True),
        LogSources([over], more_expected=False),
    ]
    assert followed(pods) == ["line 1", "line 2", "line 3"]
    assert pods.opened[1] == ("pod", "1", None, T(2))


def test_a_new_run_of_a_container_is_taken_in():
    pods = Pods()
    first, second = pods.source(Script([line(1)]), run="1"), pods.source(Script([line(1), line(2)]), run="2")
    pods.looks = [
        LogSources([first], more_expected=True),
        LogSources([second], more_expected=True),
        LogSources([second], more_expected=False),
    ]
    assert followed(pods) == ["line 1", "line 2"]


def test_what_cannot_be_opened_is_an_error_at_first_and_tried_again_later():
    pods = Pods()
    refuses = pods.source(ClusterUnreachable("no kubelet"), Script([line(1)]))
    pods.looks = [LogSources([refuses], more_expected=False)]
    with pytest.raises(ClusterUnreachable):
        followed(pods)
    later = pods.source(ClusterUnreachable("no kubelet"), Script([line(1)]), writes=True)
    pods.looks = [
        LogSources([], more_expected=True),
        LogSources([later], more_expected=True),
        LogSources([later], more_expected=True),
        LogSources([], more_expected=False),
    ]
    assert followed(pods) == ["line 1"]


def test_a_stop_ends_every_stream_and_leaves_no_thread():
    pods, heard = Pods(), []
    waits = Script([line(1)], "wait")
    pods.looks = [LogSources([pods.source(waits, writes=True)], more_expected=True)]
    began = time.monotonic()
    for found in follow(pods, tail=None, since=None, stop=heard.__len__, policy=QUICK):
        heard += [found.text]
    assert (heard, waits.closed.is_set()) == (["line 1"], True)
    assert time.monotonic() - began < PATIENCE
    assert not [thread for thread in threading.enumerate() if thread.name == "log of pod"]


def test_who_does_not_read_is_not_run_over():
    pods = Pods()
    made = []

    def many():
        for number in range(1, 9):
            made.append(number)
            yield line(number)

    pods.looks = [LogSources([pods.source(Script(many()))], more_expected=False)]
    reading = follow(pods, tail=None, since=None, stop=lambda: False, policy=FollowPolicy(queue_size=2))
    assert next(reading).text == "line 1"
    time.sleep(0.1)
    assert len(made) <= 4
    assert [found.text for found in reading] == [f"line {number}" for number in range(2, 9)]
    reading.close()


# --- Docker ---------------------------------------------------------------------------------------

NEVER = "0001-01-01T00:00:00Z"
AT = "2026-01-02T03:04:{}Z".format


@pytest.mark.parametrize(
    ("started", "finished", "restarts", "border"),
    [
        (AT("05"), NEVER, 0, None),
        (AT("05"), AT("09"), 0, None),  # it ran once, and has ended
        (AT("05"), AT("03"), 1, AT("03.050")),
        (AT("05"), AT("03"), 0, AT("03.050")),  # started again by hand
        (AT("05"), AT("09"), 2, AT("04.950")),
    ],
)
def test_one_run_ends_where_the_next_begins(started, finished, restarts, border):
    one = live_container(restarts=restarts, StartedAt=started, FinishedAt=finished)
    assert run_boundary(one) == (datetime.fromisoformat(border) if border else None)


# --- Kubernetes -----------------------------------------------------------------------------------


class PodsApi:
    """Answers with pods; a log is what the pod's name and container say, or a refusal."""

    def __init__(self, *pods):
        self.pods = pods
        self.asked = []

    def get(self, version, kind, name, namespace):
        return None

    def list_objects(self, *_, metadata):
        return list(self.pods)

    def log_stream(self, namespace, pod, container, **asked):
        self.asked.append((pod, container, asked))
        if container == "making":
            raise Rejected("invalid-object", "container is waiting to start")
        return Answer(f"{T(1)} {pod} {container}\n".encode())


class Answer:
    def __init__(self, data):
        self.data = data

    def chunks(self):
        yield self.data

    def close(self):
        pass


def pod(name, created, *containers, phase="Running"):
    statuses = [
        {"name": container, "containerID": identity, "restartCount": restarts, "state": {"running": {}}}
        for container, identity, restarts in containers
    ]
    return {"metadata": {"name": name, "creationTimestamp": created}, "status": {"phase": phase, "containerStatuses": statuses}}


def said(api, **asked):
    wanted = LogOptions(**({"tail": None, "since": None, "previous": False, "follow": False} | asked))
    return [found.text for found in kubernetes_logs(api, "app", "a", wanted, lambda: False)]


def test_all_containers_of_all_pods_are_read_the_oldest_pod_first():
    api = PodsApi(
        pod("b", "2", ("app", "x", 0), ("gateway", "y", 1)), pod("c", "1", ("app", "z", 0), ("not-begun", "", 0), ("making", "q", 0))
    )
    assert said(api, tail=7, since="2026-01-02T05:04:05.000000001+02:00") == ["c app", "b app", "b gateway"]
    assert api.asked[0] == ("c", "app", {"tail": 7, "since": "2026-01-02T03:04:05Z", "previous": False, "follow": False})


def test_only_what_was_restarted_has_an_earlier_run():
    api = PodsApi(pod("b", "2", ("app", "x", 0), ("gateway", "y", 1)))
    assert said(api, previous=True) == ["b gateway"]


def test_following_ends_with_the_pods():
    assert said(PodsApi(pod("b", "2", ("app", "x", 0), phase="Succeeded")), follow=True) == ["b app"]
