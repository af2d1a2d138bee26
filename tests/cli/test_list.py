"""workloads list and wait, whole: filters, pages, watching in a pipe and on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.cli.render.overview import planned
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.ledger.staging_state import ApplyFailed, StagingFailed, Tried
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.queries.changes import Place, compare
from kelvin_provision.queries.items import StagedItem, WorkloadItem, position
from kelvin_provision.spec.enums import Download, Method, State
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import OperationKind, Status, Trouble
from kelvin_provision.timestamps import parse
from tests.kit.cli import run
from tests.kit.ledgers import migrated
from tests.kit.staging import reach
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]
LONG_AGO = "2026-01-02T03:04:05Z"


class Box:
    """A ledger with words for what happens to workloads; the agent seems to be alive."""

    def __init__(self, path):
        self.path = path
        self.place = ["--state-dir", str(path)]
        self.ledger = Ledger(migrated(path / "ledger.db"), clock=lambda: LONG_AGO)

    def stage(self, name, version="1.0.0", state=Download.PENDING, *, method=Method.STAGED):
        spec = Spec(name, name.title(), "app", version, "edge-1", method, f"r.io/app:{version}")
        (revision,) = self.ledger.accept([spec], "batch")
        reach(self.ledger, revision, state)
        return revision

    def run(self, name, version="1.0.0"):
        number = self.stage(name, version, Download.READY).number
        operation = journal.begin(self.ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, None, number)])
        journal.commit(self.ledger, operation)
        journal.end(self.ledger, operation, [])
        self.ledger.observe({name: Observation(Observed.RUNNING, (), LONG_AGO, number)})

    def list(self, *more):
        return run("workloads", "list", *self.place, *more)


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path)
    found.run("motor")
    found.stage("motor", "2.0.0", Download.READY)
    found.run("gateway")
    found.stage("vision", "0.9.0", Download.READY)
    yield found
    found.ledger.close()


def test_the_list_for_people(box):
    result = box.list()
    result.check(stderr="Total: 3 workloads\n")
    assert result.stdout == (
        "NAME     APP  VERSION  STATUS   STAGED       LAST SEEN\n"
        "gateway  app  1.0.0    running  -            2026-01-02 03:04+00:00\n"
        "motor    app  1.0.0    running  2.0.0 ready  2026-01-02 03:04+00:00\n"
        "vision   app  0.9.0    staged   0.9.0 ready  -\n"
    )


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], ["gateway", "motor", "vision"]),
        (["--search", "MOT", "--search", "vis"], ["motor", "vision"]),
        (["-n", "motor", "--name", "gateway"], ["gateway", "motor"]),
        (["-n", "mot"], []),
        (["--app-name", "app", "--app-version", "0.9.0"], ["vision"]),
        (["--state", "running"], ["gateway", "motor"]),
        (["--staged"], ["motor", "vision"]),
        (["--staged", "--state", "ready", "--direction", "desc"], ["vision", "motor"]),
        (["--enabled"], ["gateway", "motor", "vision"]),
        (["--no-enabled"], []),
        (["--sort-by", "enabled", "--sort-by", "title", "--direction", "desc"], ["vision", "motor", "gateway"]),
    ],
)
def test_filters_and_order(box, given, names):
    assert box.list("-o", "name", *given).stdout.split() == names


def test_pages_by_the_cursor_alone(box):
    first = json.loads(box.list("--json", "--staged", "--page-size", "1").stdout)
    assert [item["name"] for item in first["data"]] == ["motor"]
    assert first["pagination"]["previous_page"] is None
    second = json.loads(box.list("--json", "--next", first["pagination"]["next_page"]).stdout)
    assert [(item["name"], item["status"]["state"]) for item in second["data"]] == [("vision", "ready")]
    assert second["pagination"]["next_page"] is None
    back = json.loads(box.list("--json", "--next", second["pagination"]["previous_page"]).stdout)
    assert back["data"] == first["data"]


def test_the_footer_of_a_page_is_the_next_command(box):
    result = box.list("--page-size", "2", "-o", "wide")
    found = re.fullmatch(
        r"Page of 2 workloads; the next one: kelvin-provision (workloads list -o wide --state-dir \S+ --next \S+)\n", result.stderr
    )
    last = run(*found[1].split())
    assert (last.stdout.splitlines()[1].split()[0], last.stderr) == ("vision", "Last page: 1 workload\n")


def test_a_bad_cursor_and_a_cursor_with_filters_are_refused(box):
    assert (box.list("--next", "nonsense").exit_code, json.loads(box.list("--json", "--next", "").stdout)["error"]["code"]) == (
        65,
        "cursor-invalid",
    )
    result = box.list("--next", "abc", "--search", "x")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "error: --next contains the filters and the order; give no others")
    assert box.list("--page-size", "0").exit_code == 2


def test_what_is_on_its_way_shows_how_far_it_is():
    staged = StagedItem(False, "app", "2.0.0", False, Status(State.DOWNLOADING))
    item = WorkloadItem("a", "A", True, "c", None, "app", "1.0.0", True, False, "", "", Status(State.RUNNING), staged=staged)
    assert position(item, 45) == "running, 2.0.0 downloading 45%"
    assert position(item, 45, staged=True) == "downloading 45%"
    assert position(replace(item, status=Status(State.STAGED))) == "downloading"
    assert position(replace(item, staged=None)) == "running"
    assert position(replace(item, staged=replace(staged, trouble=Trouble.APPLY_FAILED))) == "running, 2.0.0 apply failed"
    assert position(replace(item, staged=replace(staged, apply_at="2026-11-28T02:00:00Z"))).startswith(
        "running, 2.0.0 downloading, 2026-11-2"
    )


def test_what_runs_is_the_status_and_what_is_planned_stands_in_staged(box):
    def row(name):
        (line,) = [line for line in box.list().stdout.splitlines() if line.startswith(name)]
        return re.split(r"  +", line)[3:5]

    box.stage("motor", "3.0.0", Download.DOWNLOADING, method=Method.INSTANT)
    box.stage("pump", "3.0.0", Download.DOWNLOADING)
    box.stage("fan", "1.0.0", Download.READY)
    assert (row("motor"), row("pump"), row("fan"), row("vision")) == (
        ["running", "3.0.0 downloading"],
        ["not running", "3.0.0 downloading"],
        ["staged", "1.0.0 ready"],
        ["staged", "0.9.0 ready"],
    )
    for name, event, words in (
        ("pump", StagingFailed("not found"), ["not running", "3.0.0 staging failed"]),
        ("fan", ApplyFailed("it crashed", blocks=True), ["not running", "1.0.0 apply failed"]),
        ("motor", StagingFailed("not found"), ["running", "3.0.0 staging failed"]),
        ("vision", Tried("no"), ["not running", "0.9.0 refused"]),
    ):
        box.ledger.advance(box.ledger.workload(name).staged, event)
        assert row(name) == words
        document = json.loads(run("workloads", "show", name, *box.place, "--json").stdout)
        assert document["status"]["state"] == ("running" if name == "motor" else "staged")
        assert (document["staged"]["ready"], document["staged"]["status"]["state"]) == (False, "failed")
        state = "Running" if name == "motor" else "Not running"
        shown = run("workloads", "show", name, *box.place).stdout
        assert (f"Status:     {state}\n" in shown, f"Staged:     {words[1]}\n" in shown) == (True, True)


def test_a_time_within_a_day_is_a_clock_time_and_another_one_has_its_date(monkeypatch):
    now = parse("2026-11-27T22:00:00Z")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    staged = StagedItem(True, "app", "2.0.0", False, Status(State.READY), apply_at="2026-11-28T02:00:00Z")
    assert planned(staged, None, now) == "2.0.0 ready, 02:00"
    assert planned(replace(staged, apply_at="2026-11-29T02:00:00Z"), None, now) == "2.0.0 ready, 2026-11-29 02:00+00:00"
    assert planned(replace(staged, status=Status(State.DOWNLOADING)), 7, now) == "2.0.0 7%, 02:00"
    monkeypatch.undo()
    time.tzset()


def test_waiting_until_an_instant_apply_runs_does_not_end_with_the_version_before_it(box):
    box.stage("motor", "3.0.0", Download.DOWNLOADING, method=Method.INSTANT)
    assert wait(box, "motor", "--for", "running", "--timeout", "0").exit_code == 75
    assert wait(box, "gateway", "--for", "running", "--timeout", "0").exit_code == 0


# --- watching --------------------------------------------------------------------------------------


def test_a_change_is_one_of_state_and_not_of_a_percent():
    before = {"a": Place("downloading 45%", "downloading", {}), "b": Place("running", "running", {}), "c": Place("ready", "ready", {})}
    after = {"a": Place("ready", "ready", {}), "b": Place("running", "running", {}), "d": Place("received", "received", {})}
    found = [(change.name, change.before, change.after) for change in compare(before, after)]
    assert found == [("c", "ready", None), ("a", "downloading 45%", "ready"), ("d", None, "received")]
    assert compare({"a": before["a"]}, {"a": Place("downloading 46%", "downloading", {})}) == ()


@contextmanager
def watching(box, *more, **options):
    """The command in a process of its own, which is gone afterwards."""
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "HOME": str(box.path)}
    command = [sys.executable, "-m", "kelvin_provision", "workloads", "list", "--watch", *box.place, *more]
    with subprocess.Popen(command, env=environment, cwd=HERE, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_in_a_pipe_each_change_is_a_line(box):
    with watching(box, "--search", "vision", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline()]
        reach(box.ledger, box.ledger.workload("vision").staged, Download.PROCESSING)
        lines.append(process.stdout.readline())
        box.ledger.drop_staged("vision")
        lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", line) for line in lines] == [
        "TIME vision: ready\n",
        "TIME vision: ready -> received\n",
        "TIME vision: received -> gone\n",
    ]


def test_with_json_each_change_is_an_object(box):
    with watching(box, "--json", "-n", "motor", stdout=subprocess.PIPE, text=True) as process:
        first = json.loads(process.stdout.readline())
        box.ledger.drop_staged("motor")
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    assert (first["before"], first["after"], second["before"], second["after"]) == (
        None,
        "running, 2.0.0 ready",
        "running, 2.0.0 ready",
        "running",
    )
    assert second["item"] == json.loads(box.list("--json", "-n", "motor").stdout)["data"][0]
    assert set(second) == {"time", "name", "before", "after", "item"}


def test_it_ends_when_its_reader_is_gone(box):
    with watching(box, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 0


def test_what_does_not_go_together_is_refused(box):
    assert box.list("--watch", "--page-size", "2").exit_code == 2
    assert box.list("--watch", "-o", "yaml").exit_code == 2


class Screen:
    """The other end of a terminal."""

    def __init__(self, columns, lines):
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.text = ""

    def resize(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def take(self):
        """Make it the terminal of a new session, so that its Ctrl-C is a signal."""
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def until(self, text, seconds=60.0):
        """Everything that comes up to a text, and that text."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode()
        before, found, self.text = self.text.partition(text)
        return before + found

    def close(self):
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def screen():
    found = Screen(100, 20)
    yield found
    found.close()


def test_on_a_terminal_the_picture_is_painted_over_and_ctrl_c_gives_everything_back(box, screen):
    terminal = {"stdin": screen.slave, "stdout": screen.slave, "stderr": screen.slave, "start_new_session": True}
    with watching(box, "--no-color", preexec_fn=screen.take, **terminal) as process:
        first = screen.until("\x1b[J")
        assert first.startswith("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H")
        row = (
            "motor    app  1.0.0    \N{BLACK CIRCLE} running  \N{CIRCLE WITH LEFT HALF BLACK} 2.0.0 ready  2026-01-02 03:04+00:00\x1b[K\r\n"
        )
        assert row in first
        assert first.endswith("Total: 3 workloads\x1b[K\r\n\x1b[J")
        box.ledger.drop_staged("vision")
        second = screen.until("\x1b[J")
        assert second.startswith("\x1b[H")
        assert ("vision" in second, "Total: 2 workloads" in second) == (False, True)
        screen.resize(40, 3)
        small = screen.until("\x1b[J")
        assert "... 3 more lines; enlarge the window, or use --search" in small
        assert "LAST SEEN" not in small
        os.write(screen.master, b"\x03")
        last = screen.until("Total: 2 workloads\r\n")
        assert last.removeprefix("^C").startswith("\x1b[?7h\x1b[?25h\x1b[?1049lNAME ")
        assert process.wait(timeout=PATIENCE) == 0


# --- waiting ---------------------------------------------------------------------------------------


def wait(box, *more):
    return run("workloads", "wait", *box.place, *more)


NOBODY = "no agent is running, so nothing is downloaded or applied (kelvin-provision agent start)\n"


def test_waiting_for_what_is_there_already(box):
    result = wait(box, "-n", "vision", "-n", "motor", "--for", "ready")
    assert result.exit_code == 0
    assert result.stdout == "workload vision: ready\nworkload motor: ready, running, 2.0.0 ready\n"
    assert result.stderr == f"{NOBODY}waiting until ready: vision\nwaiting until ready: motor\nvision: ready\nmotor: ready\n"


def test_waiting_in_vain_says_where_each_one_is(box):
    result = wait(box, "-n", "gateway", "-n", "motor", "--for", "stopped", "--timeout", "0.1", "--json")
    assert result.exit_code == 75
    assert json.loads(result.stdout)["error"] == {
        "code": "wait-timeout",
        "message": "not stopped after 0.1 seconds: gateway: running; motor: running, 2.0.0 ready",
        "hint": "kelvin-provision workloads list",
        "evidence": ["gateway: running", "motor: running, 2.0.0 ready"],
    }


def test_waiting_for_what_cannot_be_is_refused_at_once(box):
    assert wait(box, "-n", "gateway", "--for", "ready", "--quiet").stderr.splitlines()[0] == "error: nothing is staged for gateway"
    assert [wait(box, "-n", name, "--for", state).exit_code for name, state in (("gateway", "ready"), ("nobody", "running"))] == [66, 66]
    assert wait(box, "-n", "gateway", "--for", "staged").exit_code == 1
