"""A question on a real pseudo-terminal, by what the screen shows: it stays, the cursor is there, the answer is read."""

import hashlib

import pytest

from kelvin_provision.cli.main import main
from tests.kit.box import Box
from tests.kit.screen import Terminal

pytestmark = pytest.mark.slow

LONG = "the-pump-in-the-second-hall-on-the-left"
QUESTIONS = {
    "stop": (("workloads", "stop", LONG), f"this will stop {LONG}; persistent data is kept Continue? [y/N]", f"workload {LONG}: stopped"),
    "undeploy": (("workloads", "undeploy", LONG), f"this will remove {LONG} with all local data Continue? [y/N]", f"workload {LONG}: undeployed"),
    "undeploy --staged": (
        ("workloads", "undeploy", LONG, "--staged"),
        f"this will remove the staged version of {LONG}; the running version keeps running Continue? [y/N]",
        f"workload {LONG}: staged version removed",
    ),
    "prune": (("images", "prune"), "this will free 5 B in the store Continue? [y/N]", "freed, 5 B"),
}  # fmt: skip


@pytest.fixture
def box(tmp_path):
    """A workload that runs, with a newer version staged, and a blob that no version needs."""
    box = Box(tmp_path / "state")
    box.deploy(LONG)
    box.turn()
    box.command_apply(LONG)
    box.deploy(LONG, version="2.0.0")
    box.turn()
    path = box.store.layout.blob(f"sha256:{hashlib.sha256(b'stray').hexdigest()}")
    path.write_bytes(b"stray")
    return box


@pytest.fixture
def asked(box):
    def ask(kind, columns):
        """The program at its question, a second later: more than a progress display takes to draw."""
        words, question, done = QUESTIONS[kind]
        box.close()
        box._connections = None
        terminal = Terminal(lambda: main((*words, "--state-dir", str(box.settings.state_dir)), wiring=box.wiring), columns)
        terminal.until("[y/N]")
        assert terminal.show(1.0)
        assert question in terminal.screen.text, terminal.screen.rows
        assert terminal.screen.cursor_visible
        return terminal, done

    return ask


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_stays_and_its_answer_is_read(asked, kind, columns):
    terminal, done = asked(kind, columns)
    terminal.type("y\n")
    assert (terminal.end(), terminal.screen.cursor_visible) == (0, True)
    assert done in terminal.screen.sentence, terminal.screen.rows


@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_changes_nothing(asked, box, kind):
    before = box.states()
    terminal, _ = asked(kind, 80)
    terminal.type("n\n")
    assert (terminal.end(), terminal.screen.cursor_visible) == (130, True)
    assert terminal.screen.text.endswith("Cancelled.")
    assert box.states() == before
