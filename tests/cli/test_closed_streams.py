"""Streams that a shell closed (`>&-`) or that lead nowhere: the work is done, and only what was lost is reported. Real shells."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kelvin_provision.ledger.ledger import Ledger
from tests.kit.ledgers import migrated
from tests.kit.specs import spec

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CLOSED = "error: standard output is closed\n hint: the work is done; only its output was lost\n"
FULL = "error: standard output: no space left on device\n hint: the work is done; only its output was lost\n"


@pytest.fixture
def shell(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    migrated(state / "ledger.db")
    with Ledger(state / "ledger.db") as ledger:
        ledger.accept([spec("pump")], "b1")

    def run(line):
        """A line of sh; `kp` is the program, on a state with one staged workload."""
        program = shlex.join([sys.executable, "-m", "kelvin_provision", "--state-dir", str(state)])
        environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            ["sh", "-c", line.replace("kp ", f"{program} ")], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    def held():
        with Ledger(state / "ledger.db") as ledger:
            return ledger.workload("pump").held is not None

    run.held = held
    return run


@pytest.mark.parametrize(("redirection", "words"), [(">&-", CLOSED), (">/dev/full", FULL)])
def test_a_stdout_that_takes_nothing_is_73_after_the_work(shell, redirection, words):
    done = shell(f"kp workloads hold pump --reason summer {redirection}")
    assert (done.returncode, done.stdout, done.stderr) == (73, "", words)
    assert shell.held()


@pytest.mark.parametrize(
    "command", ["workloads list --quiet", "workloads show pump --json", "--help", "workloads list --help", "--version", "completion bash"]
)
@pytest.mark.parametrize(("redirection", "words"), [(">&-", CLOSED), (">/dev/full", FULL)])
def test_every_kind_of_answer_is_lost_in_the_same_words(shell, command, redirection, words):
    done = shell(f"kp {command} {redirection}")
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr == words


def test_a_stream_of_answers_ends_at_a_closed_stdout(shell):
    done = shell("kp workloads list --watch >&-")
    assert (done.returncode, done.stderr) == (73, "error: standard output is closed\n hint: only output was lost\n")


def test_a_closed_stderr_does_the_work_and_says_nothing(shell):
    done = shell("kp workloads hold pump --reason summer 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "workload pump: held, summer\n", "")
    assert shell.held()
    done = shell("kp workloads hold nothing --reason summer 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (66, "", "")


def test_all_streams_closed_does_the_work(shell):
    done = shell("kp workloads hold pump --reason summer <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (73, "", "")
    assert shell.held()


def test_a_closed_stdin_is_no_terminal_and_empty(shell):
    done = shell("kp workloads undeploy pump <&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "this will remove pump with all local data" in done.stderr
    done = shell("kp workloads deploy -f - <&-")
    assert done.returncode == 65
    assert "standard input" in done.stderr


def test_no_file_of_ours_gets_the_number_of_a_closed_stream():
    script = (
        "import os; from kelvin_provision.cli.main import main; main(['--version']); print(os.open('/', 0), os.readlink('/proc/self/fd/2'))"
    )
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)} 2>&-"
    done = subprocess.run(["sh", "-c", line], env=dict(os.environ) | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "3 /dev/null"
