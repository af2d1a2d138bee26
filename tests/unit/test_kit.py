"""The kit itself, and that tests share nothing else."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from kelvin_provision.ledger.ledger import Ledger
from tests.kit import forking
from tests.kit.cli import Result
from tests.kit.groups import group_of
from tests.kit.ledgers import migrated
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]


def test_no_test_module_is_a_library():
    imports = re.compile(r"^\s*(?:(?:from|import) tests\.\S*\btest_|from tests\S* import (?:\w+, )*test_)", re.MULTILINE)
    assert [path.name for path in TESTS.rglob("*.py") if imports.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/contract/test_cluster_docker.py::TestDockerBox::test_x[engine-newer]", "contract engine-newer"),
        (
            "tests/contract/test_media_types.py::test_x[engine-newer-containerd-store-application/x]",
            "contract engine-newer-containerd-store",
        ),
        ("tests/contract/test_media_types.py::test_x[containerd-installed-application/x]", "contract containerd-installed"),
        ("tests/contract/test_runtime_docker.py::test_y", "tests/contract/test_runtime_docker.py"),
        ("tests/real/test_life.py::test_z[docker]", "tests/real/test_life.py docker"),
    ],
)
def test_what_plays_on_one_server_stays_on_one_worker(nodeid, group):
    assert group_of(nodeid) == group


def test_a_result_is_compared_as_a_whole():
    result = Result(1, "out\n", "err\n")
    assert result.check(exit_code=1, stderr="err\n") is result
    with pytest.raises(AssertionError, match="out"):
        result.check(exit_code=0)


def test_waiting_returns_the_answer_and_ends_with_a_reason():
    answers = iter((None, 0, "now"))
    assert until(lambda: next(answers)) == "now"
    began = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match="the log"):
        until(lambda: False, 0.1, why=lambda: "the log")
    assert time.monotonic() - began >= 0.1


def test_a_ledger_from_the_template_is_one_that_was_migrated(tmp_path):
    with Ledger(tmp_path / "new" / "ledger.db") as made, Ledger(migrated(tmp_path / "copy" / "ledger.db")) as copied:
        for ledger in (made, copied):
            assert ledger.names() == []
        schemas = [ledger._connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() for ledger in (made, copied)]
        assert [tuple(row) for row in schemas[0]] == [tuple(row) for row in schemas[1]]
    modes = [(tmp_path / name / "ledger.db").stat().st_mode & 0o777 for name in ("new", "copy")]
    assert modes == [0o600, 0o600]


def test_a_port_is_given_out_once():
    assert len({free_port() for _ in range(5)}) == 5


def test_a_forked_command_is_a_process_with_its_own_environment_streams_and_end(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KELVIN_PROVISION_STATE_DIR": str(tmp_path / "state")}
    listed = forking.run(["workloads", "list", "--json"], env=environment, cwd=tmp_path)
    assert (listed.returncode, json.loads(listed.stdout)["data"], listed.stderr) == (0, [], "")
    unknown = forking.run(["workloads", "show", "none"], env=environment, cwd=tmp_path)
    assert (unknown.returncode, unknown.stdout, "none" in unknown.stderr) == (os.EX_NOINPUT, "", True)
    module = tmp_path / "dies.py"
    module.write_text("import os, sys; print(os.getcwd(), flush=True); os.kill(os.getpid(), 9)")
    dead = forking.run([], env=environment | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, module="dies")
    assert (dead.returncode, dead.stdout) == (-9, f"{tmp_path}\n")


def test_a_forked_command_that_takes_too_long_is_killed(tmp_path):
    (tmp_path / "sleeps.py").write_text("import time; time.sleep(600)")
    with pytest.raises(subprocess.TimeoutExpired):
        forking.run([], env={"PATH": os.environ["PATH"]}, cwd=tmp_path, module="sleeps", timeout=0.2)
