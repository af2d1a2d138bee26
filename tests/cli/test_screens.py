"""What a person sees on a terminal of 40, 80, 120 and 200 columns, as a screen of cells: what the reader came for is there, and whole."""

import time
from dataclasses import replace

import pytest

from kelvin_provision.check_result import CheckResult, CheckStatus
from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.main import main
from kelvin_provision.cli.render import checks, layout
from kelvin_provision.cli.render.progress import choose
from kelvin_provision.errors import ApplyFailed
from kelvin_provision.events import Advanced, Finished, Retrying, Started
from kelvin_provision.hints import command, system
from kelvin_provision.ledger.staging_state import Downloading, Waiting
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import Box
from tests.kit.screen import Terminal

pytestmark = pytest.mark.slow

WIDTHS = [40, 80, 120, 200]
PUMP, VALVE = "docs-demo-motor-speed", "valve-controller-in-the-second-hall"
REASON = "CrashLoopBackOff: back-off 10s restarting failed container: exit code 3"
DEAD = "the registry r.io does not answer (connection refused)"
MIB = 2**20


def template(path):
    """One runs and its next version failed, one runs and is held, one is half downloaded and its registry is silent."""
    box = Box(path)
    for version in ("1.0.0", "2.0.0"):
        box.deploy(PUMP, version=version)
        box.turn()
        box.command_apply(PUMP)
    box.deploy(VALVE)
    box.turn()
    box.command_apply(VALVE)
    box.deploy(PUMP, version="3.0.0")
    box.turn()
    box.cluster.broken[box.ledger.workload(PUMP).staged.locks[0].pinned_reference] = REASON
    with pytest.raises(ApplyFailed):
        box.command_apply(PUMP)
    box.run("workloads", "hold", VALVE, "--reason", "line 3 produces until Friday evening")
    box.deploy("half", version="2.0.0")
    lock = box.source.resolve(Reference.parse("r.io/half:2.0.0"), Platform("linux", "amd64")).lock
    box.ledger.set_locks(box.ledger.workload("half").staged, (lock,))
    with box.store.partial(lock.layers[0]) as partial:
        partial.write(b"x" * (lock.size * 57 // 100 + 1))
    box.ledger.advance(box.ledger.workload("half").staged, Downloading())
    box.ledger.advance(box.ledger.workload("half").staged, Waiting(WaitReason(WaitKind.REGISTRY_UNREACHABLE, DEAD)))
    return box


@pytest.fixture
def seen(copy_of):
    box = copy_of(template)
    box.settings = replace(box.settings, registry="registry.example.com:5000")
    box.close()

    def see(columns, *words):
        box._connections = None
        terminal = Terminal(lambda: main((*words, "--state-dir", str(box.settings.state_dir)), wiring=box.wiring), columns, lines=1000)
        terminal.end()
        return terminal.screen

    return see


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            ("workloads", "list"),
            [PUMP, "running", "3.0.0 apply failed", "half", "57%", VALVE, DEAD, "line 3 produces until Friday evening"],
        ),
        (("workloads", "list", "--staged"), ["57%", "downloading", "failed"]),
        (("workloads", "list", "-o", "wide"), [PUMP, "3.0.0 apply failed", "57%"]),
        (("workloads", "show", PUMP), ["Running", "3.0.0 apply failed", REASON]),
        (("workloads", "show", "half"), ["2.0.0 57%", DEAD]),
        (("workloads", "history"), ["apply", "undone", REASON, "line 3 produces until Friday evening"]),
        (("images", "list"), [f"r.io/{PUMP}:2.0.0", "3.8 KiB", f"{PUMP} 2.0.0 (running)", f"{PUMP} 1.0.0 (kept)"]),
        (("config", "show"), ["download.stall_timeout", "30s"]),
        (("config", "show", "-o", "wide"), ["download.stall_timeout", "30s", "time without a byte after which a connection is closed"]),
        (("agent", "status"), ["not running", "half", DEAD]),
        (("explain",), ["downloading", "registry-busy"]),
        (("doctor", "--skip", "disk", "--skip", "inodes"), ["fake-node: Ready", "kelvin-provision agent"]),
        (("workloads", "apply", "half"), ["half is not ready", DEAD]),
        (("workloads", "shw"), ["has no command shw", "kelvin-provision workloads show"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_reader_came_for_is_whole_at_every_width(seen, columns, words, shown):
    screen = seen(columns, *words)
    assert [text for text in shown if text not in screen.sentence] == [], screen.rows


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_table_that_fits_is_a_table_and_one_that_does_not_has_a_block_for_each_row(seen, columns):
    rows = [row for row in seen(columns, "workloads", "list").rows if row]
    head = [row for row in rows if row.startswith("NAME")]
    assert bool(head) is (columns > 40)
    at = next(number for number, row in enumerate(rows) if row.startswith(VALVE))
    assert ("running" in rows[at + 1]) if columns == 40 else ("running" in rows[at])


def downloading():
    with choose(Session()) as progress:
        image = "registry.example.com:5000/motor-speed:2.3.0"
        progress(Started(image, "downloading", 100 * MIB, 50 * MIB))
        progress(Started("registry.example.com:5000/valve:1", "downloading", 40 * MIB))
        for done in (55, 56, 57):
            progress(Advanced(image, done * MIB))
            time.sleep(0.6)
        progress(Retrying("registry.example.com:5000/valve:1", DEAD, 300.0))
        progress(Started("pump", "applying"))
        time.sleep(30)
    return 0


@pytest.mark.parametrize("columns", WIDTHS)
def test_of_a_download_the_end_of_its_name_the_percentage_and_the_time_left_are_there_at_every_width(columns):
    terminal = Terminal(downloading, columns)
    terminal.until("next try in 4m5")
    terminal.until("pump")
    (row,) = [row for row in terminal.screen.rows if "speed:2.3.0" in row]
    assert ("57%" in row, "left" in row, len(row) <= columns) == (True, True, True)
    assert DEAD in terminal.screen.sentence
    terminal.kill()


def finishing():
    with choose(Session()) as progress:
        progress(Started("pre-apply", "running"))
        progress(Finished("pre-apply", "failed", "exit code 3"))
    return 0


@pytest.mark.parametrize("columns", WIDTHS)
def test_an_outcome_is_there_at_every_width(columns):
    terminal = Terminal(finishing, columns)
    terminal.end()
    assert "failed" in terminal.screen.text


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_outcome_of_a_change_is_said_once(copy_of, columns):
    box = copy_of(template)
    box.close()
    for words, said in ((("stop", VALVE, "--yes"), "stopped"), (("start", VALVE), "running")):
        box._connections = None
        terminal = Terminal(
            lambda words=words: main(("workloads", *words, "--state-dir", str(box.settings.state_dir)), wiring=box.wiring), columns
        )
        assert terminal.end() == 0
        assert terminal.screen.sentence.count(said) == 1, terminal.screen.rows


def test_times_are_on_the_clock_of_the_box_with_their_offset_and_digests_have_twelve_digits(seen, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    for words in (("workloads", "show", PUMP), ("workloads", "history"), ("workloads", "list")):
        screen = seen(200, *words)
        assert "Z " not in screen.text, screen.rows
        assert "+01:00" in screen.text or "+02:00" in screen.text
        assert not [word for word in screen.text.split() if len(word.partition("sha256:")[2].rstrip(")")) > 12]
    assert "sha256:" in seen(200, "workloads", "show", PUMP).text
    assert [word for word in seen(200, "workloads", "show", PUMP, "-v").text.split() if len(word.partition("sha256:")[2]) == 64]
    monkeypatch.delenv("TZ")
    time.tzset()


def test_a_word_that_does_not_fit_beside_its_label_has_a_line_of_its_own_and_dates_keep_their_time():
    assert layout.wrapped(f"{VALVE}: held", 40, begin=9) == f"\n  {VALVE}:\n  held"
    assert layout.wrapped("x" * 30 + " 2026-11-28 02:00:00+01:00 y", 40) == "x" * 30 + "\n2026-11-28 02:00:00+01:00 y"
    assert layout.wrapped("a b", None) == "a b"


def test_a_command_is_never_broken():
    typed = "kelvin-provision workloads undeploy -n pump --staged"
    for text in (f"the staged version is refused ({typed}), and the other one runs", f"then: {typed}; or wait"):
        for columns in WIDTHS:
            assert any(typed in row for row in layout.wrapped(text, columns).split("\n"))


def test_what_stands_before_a_line_counts_for_its_width():
    text = " ".join(["word"] * 15)
    for begin in (0, 7, 9):
        first, *rest = layout.wrapped(text, 80, begin=begin).split("\n")
        assert max(begin + len(first), *map(len, rest), 0) <= 80
    assert layout.wrapped("  " + "x" * 39 + " y", 40) == "x" * 39 + "\ny", "no empty line before it"
    typed = "kelvin-provision agent install"
    assert layout.wrapped(typed, 40, begin=23) == f"\n  {typed}"


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_command_below_a_check_is_whole(columns):
    look = checks.Look(width=columns)
    hint = command("agent install", instruction="look again, once that is repaired")
    lines = checks.render([CheckResult("following", "Following", "why", CheckStatus.WARNING, "it waits", hint)], look).splitlines()
    assert any("kelvin-provision agent install" in line for line in lines)
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize(
    "hint",
    [
        system("chmod", "600", "/media/stick one/token of the leader.txt"),
        system("apt", "install", "skopeo", note="or copy it from another box, with its libraries, where there is no network at all"),
        command("workloads deploy", "-f", "my file (1).yaml", instruction="correct the findings, then type it again"),
    ],
)
def test_a_command_that_is_copied_is_on_one_line_whatever_its_words_are(columns, hint):
    text, copied = hints.line(hint), hints.copied(hint)
    lines = layout.wrapped(text, columns, begin=len(" hint: "), command=copied).split("\n")
    assert any(copied in line for line in lines)
    assert all(len(line) <= columns for line in lines if copied not in line)
