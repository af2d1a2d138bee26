"""workloads logs, whole, on the fake cluster; and what --since takes."""

import json
import signal
import threading
from datetime import UTC, datetime

import pytest

from kelvin_provision.cli.frame.session import Output
from kelvin_provision.cli.frame.values.since import since
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.errors import UsageRefused
from kelvin_provision.queries.logs import LogsRequest, newest
from kelvin_provision.queries.logs import logs as query
from tests.kit.box import Box
from tests.kit.cli import run

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)
T = "2026-01-02T03:04:05.00000000{}Z".format


def template(path):
    found = Box(path)
    found.deploy("motor", "pump")
    found.turn()
    found.command_apply("motor")
    found.cluster.log_lines["motor"] = ["one", "\x1b[31mtwo\x1b[0m \x1b[2J", "three"]
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def logs(box, name="motor", output=Output.TABLE, *, terminal=False, **asked):
    words = [word for key, value in asked.items() for word in ([f"--{key}"] if value is True else [f"--{key}", str(value)])]
    return box.run("workloads", "logs", "-n", name, "-o", output.value, *words, terminal=terminal)


def test_lines_are_printed_as_they_are(box):
    result = logs(box)
    result.check(stderr="")
    assert result.stdout == "one\n\x1b[31mtwo\x1b[0m \x1b[2J\nthree\n"
    assert logs(box, tail=1).stdout == "three\n"
    assert logs(box, tail=2, timestamps=True).stdout.splitlines()[1] == f"{T(2)} three"


def test_nothing_that_a_container_writes_drives_the_terminal(box):
    assert logs(box, terminal=True).stdout == "one\ntwo \\x1b[2J\nthree\n"


def test_the_platforms_document(box):
    result = logs(box, output=Output.JSON)
    assert json.loads(result.stdout) == {"logs": {"motor-0": [f"{T(0)} one", f"{T(1)} \x1b[31mtwo\x1b[0m \x1b[2J", f"{T(2)} three"]}}
    assert query(box.ctx, LogsRequest("motor", since=T(2))).to_json() == {"logs": {"motor-0": [f"{T(2)} three"]}}


def test_following_with_json_is_an_object_a_line(box):
    box.cluster.log_lines["motor"] = ["one", "two"]
    box.cluster.before = lambda verb, _: threading.Timer(0.2, box.cluster.live.clear).start() if verb == "logs" else None
    result = logs(box, output=Output.JSON, follow=True)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"pod": "motor-0", "container": "motor", "time": T(0), "line": "one"},
        {"pod": "motor-0", "container": "motor", "time": T(1), "line": "two"},
    ]
    assert result.exit_code == 0


def test_following_ends_with_a_signal_and_that_is_no_failure(box):
    box.cluster.before = lambda *_: threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGTERM)).start()
    result = logs(box, follow=True, tail=1)
    result.check(stdout="three\n", stderr="")


def test_where_there_is_no_log_it_says_so(box):
    result = logs(box, previous=True)
    result.check(exit_code=66, stdout="")
    assert result.stderr == "error: motor has no log of an earlier run\n hint: kelvin-provision workloads show -n motor --live\n"
    assert json.loads(logs(box, "pump", Output.JSON).stdout)["error"]["code"] == "log-missing"
    assert json.loads(logs(box, "nobody", Output.JSON).stdout)["error"]["code"] == "workload-unknown"
    assert logs(box, since="2099-01-01T00:00:00Z").exit_code == 0
    assert logs(box, tail=0).exit_code == 0


def test_what_runs_and_has_nothing_to_say_has_an_empty_log(box):
    """A quiet app is no trouble; one that is stopped, or that never came up, is told of."""
    box.cluster.log_lines["motor"] = []
    assert (logs(box).exit_code, logs(box).stdout, logs(box).stderr) == (0, "", "")
    assert json.loads(logs(box, output=Output.JSON).stdout) == {"logs": {}}
    box.cluster.stop("motor")
    assert logs(box).stderr.startswith("error: motor has no log\n hint:")


def test_an_error_of_a_stream_is_one_line(box):
    box.cluster.unreachable = True
    result = logs(box, output=Output.JSON, follow=True)
    assert (result.exit_code, result.stdout.count("\n")) == (69, 1)
    assert json.loads(result.stdout)["error"]["code"] == "cluster-unreachable"
    assert logs(box).stderr == "error: the fake cluster does not answer\n"


def test_more_than_one_pod_is_told_apart(box):
    lines = [
        LogLine("a", "app", T(1), "1"),
        LogLine("b", "app", T(2), "2"),
        LogLine("b", "side", T(3), "3"),
        LogLine("a", "app", T(4), "4"),
    ]
    box.cluster.logs = lambda *_, **__: iter(lines)
    assert logs(box).stdout == "1\n[b] 2\n[b/side] 3\n[a/app] 4\n"
    assert json.loads(logs(box, output=Output.JSON).stdout)["logs"] == {"a": [f"{T(1)} 1", f"{T(4)} 4"], "b": [f"{T(2)} 2", f"{T(3)} 3"]}


def test_a_document_keeps_the_newest_lines_that_fit():
    lines = [LogLine("a", "app", T(number), "x" * 70) for number in range(1, 6)]
    kept, cut = newest(lines, most=250)
    assert ([line.time for line in kept], cut) == ([T(4), T(5)], True)
    assert newest(lines) == (lines, False)


def test_what_does_not_go_together_is_refused(tmp_path):
    place = ["--state-dir", str(tmp_path)]
    assert run("workloads", "logs", "-n", "a", "-f", "--previous", *place).exit_code == 2
    assert run("workloads", "logs", "-n", "a", "--since", "yesterday", *place).stderr == (
        "error: --since yesterday is neither a time nor a duration\n hint: --since 10m, or --since 2026-11-23T02:00:00Z\n"
    )
    assert run("workloads", "logs", "-n", "a", *place).exit_code == 66


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90", "2026-03-10T11:58:30.000000Z"),
        ("10m", "2026-03-10T11:50:00.000000Z"),
        ("1h30m", "2026-03-10T10:30:00.000000Z"),
        ("2d", "2026-03-08T12:00:00.000000Z"),
        ("1.5s", "2026-03-10T11:59:58.500000Z"),
        ("500ms", "2026-03-10T11:59:59.500000Z"),
        ("2026-03-10T02:00:00Z", "2026-03-10T02:00:00.000000Z"),
        ("2026-03-10T02:00:00.123456789+02:00", "2026-03-10T00:00:00.123456Z"),
    ],
)
def test_since_is_a_time_or_how_long_ago(text, time):
    assert since(text, NOW) == time


@pytest.mark.parametrize("text", ["", "m", "10x", "-5m", "2026-03-10T02:00:00", "999999999d", "0001-01-01T00:00:00+14:00"])
def test_since_refuses_anything_else(text):
    with pytest.raises(UsageRefused):
        since(text, NOW)
