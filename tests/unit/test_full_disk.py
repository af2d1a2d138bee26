"""A disk that is full, or takes no writing, on real small filesystems: what is known is still told, and nothing is lost."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kelvin_provision.errors import CannotWrite, NoSpace
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.ledger.ledger import Ledger
from tests.kit.cli import run
from tests.kit.disks import ext4, fill, leave, needs_mount, read_only, tmpfs

pytestmark = [needs_mount, pytest.mark.slow]


@pytest.fixture
def disk(tmp_path):
    """A filesystem of one mebibyte."""
    with tmpfs(tmp_path / "disk", "1m") as place:
        yield place


def remembered(disk, value="here"):
    with Ledger(disk / "ledger.db") as ledger:
        ledger.remember("fact", value)
    return disk / "ledger.db"


def cut_off(disk):
    """As a process leaves it that dies: the last commit stands in the second file."""
    path = remembered(disk, "before")
    ledger = Ledger(path)
    ledger.remember("fact", "after")
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copy(disk / name, disk / f"{name}.kept")
    ledger.close()
    for name in ("ledger.db", "ledger.db-wal"):
        (disk / f"{name}.kept").rename(disk / name)
    assert not (disk / "ledger.db-shm").exists()
    assert b"after" not in path.read_bytes()
    return path


@pytest.mark.parametrize("takes_nothing", [fill, read_only])
@pytest.mark.parametrize(("left", "value"), [(remembered, "here"), (cut_off, "after")])
def test_the_ledger_is_read_where_nothing_can_be_written(disk, left, value, takes_nothing):
    path = left(disk)
    takes_nothing(disk)
    with Ledger(path) as ledger:
        assert ledger.fact("fact") == value
        with pytest.raises((NoSpace, CannotWrite)) as caught:
            ledger.remember("fact", "other")
        assert ledger.fact("fact") == value
    assert (type(caught.value), caught.value.exit_code) == ((NoSpace, 73) if takes_nothing is fill else (CannotWrite, 73))


def test_a_ledger_that_was_opened_on_a_full_disk_is_whole_again_when_there_is_room(disk):
    path = cut_off(disk)
    fill(disk)
    with Ledger(path) as ledger:
        full = ledger.version()
        (disk / "filler").unlink()
        assert ledger.version() != full
        ledger.remember("fact", "new")
        with Ledger(path) as other:
            assert other.fact("fact") == "new"
            other.remember("fact", "newer")
        assert ledger.fact("fact") == "newer"


def test_a_commit_that_finds_no_room_is_undone_and_the_next_one_works(disk):
    path = remembered(disk)
    with Ledger(path) as ledger, Ledger(path) as other:
        ledger.remember("large", "before")
        fill(disk)
        for _ in range(3):
            with pytest.raises(NoSpace, match="no space left for"):
                ledger.remember("large", "z" * 400_000)
        assert ledger.fact("large") == other.fact("large") == "before"
        (disk / "filler").unlink()
        ledger.remember("large", "after")
        assert other.fact("large") == "after"


def test_a_ledger_that_is_not_there_cannot_be_made_on_a_full_disk(disk):
    fill(disk)
    with pytest.raises(NoSpace), Ledger(disk / "ledger.db"):
        pass


def test_an_old_ledger_is_read_on_a_full_disk_and_stays_old(disk):
    import sqlite3
    from pathlib import Path

    path = disk / "ledger.db"
    raw = sqlite3.connect(path)
    raw.executescript((Path(__file__).parent / "ledgers" / "schema-1.sql").read_text("utf-8"))
    raw.close()
    before = path.read_bytes()
    fill(disk)
    with Ledger(path) as ledger:
        assert ledger.names() == ["fan", "pump"]
    assert path.read_bytes() == before


def test_the_lock_is_taken_on_a_full_disk(disk):
    lock = disk / "lock"
    lock.touch()
    fill(disk)
    with exclusive(lock, command="workloads apply"):
        assert holder(lock) == {}
    assert holder(lock) is None


def test_a_lock_cannot_be_taken_where_nothing_is_written(disk):
    (disk / "lock").touch()
    read_only(disk)
    with pytest.raises(CannotWrite, match="Read-only file system"), exclusive(disk / "lock", command="x"):
        pass
    assert holder(disk / "lock") is None


REQUEST = """
{name: b, title: b, app_name: b, app_version: 1.0.0, staged: true, instantly_apply: false,
payload: {spec_version: 5.0.0, type: docker, name: b, title: b, description: b, version: 1.0.0}}
"""


@pytest.mark.parametrize(("takes_nothing", "words"), [(fill, "no space left"), (read_only, "read-only file system")])
def test_list_and_show_answer_and_deploy_says_why_it_does_not(disk, tmp_path, takes_nothing, words, monkeypatch):
    from pathlib import Path

    from kelvin_provision.spec.enums import Method
    from kelvin_provision.spec.workload import Spec

    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "127.0.0.1:1")
    spec = Spec(name="a", title="a", app_name="a", app_version="1.0.0", cluster_name="c", method=Method.STAGED, image="r.io/a:1.0.0")
    with Ledger(disk / "ledger.db") as ledger:
        ledger.accept([spec], "batch")
    takes_nothing(disk)
    box = ("--state-dir", str(disk))
    listed = run("workloads", "list", *box)
    assert (listed.exit_code, listed.stdout.splitlines()[1].split()[0]) == (0, "a")
    told = f"warning: no space left for {disk}/ledger.db: nothing is downloaded until there is space\n"
    assert (told in listed.stderr) is (takes_nothing is fill)
    assert run("workloads", "show", "-n", "a", *box).exit_code == 0
    request = Path(tmp_path / "request.yaml")
    request.write_text(REQUEST)
    refused = run("workloads", "deploy", "-f", str(request), *box)
    assert refused.exit_code == 73
    assert words in refused.stderr
    assert run("workloads", "list", "-o", "name", *box).stdout.split() == ["a"]


COMMANDS = """
import json, os, sys
from pathlib import Path
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.ledger import Ledger
from tests.kit.cli import run

request, disk, *commands = sys.argv[1:]
if commands == ["open"]:
    from tests.kit.disks import fill
    with Ledger(Path(disk) / "ledger.db") as ledger:
        fill(Path(disk))
        for number in range(300):
            try:
                ledger.remember(f"fact {number}", "z" * 100)
            except ProvisionError as error:
                print(json.dumps([error.code, ledger.names()]))
                break
    raise SystemExit
for words in commands:
    result = run(*words.split(), "--state-dir", disk)
    print(json.dumps([words, result.exit_code, result.stderr.partition(":")[2].splitlines()[:1], result.stdout]), flush=True)
"""
READING = ("workloads list -o name", "workloads show a -o name", "workloads history", "agent status")


def in_another_process(disk, request, *commands, monkeypatch):
    """SIGBUS would end this one."""
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "127.0.0.1:1")
    words = [sys.executable, "-c", COMMANDS, str(request), str(disk), *commands]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def small_blocks(tmp_path):
    """Where a page of SQLite's shared memory has four blocks, each of which may be missing."""
    from kelvin_provision.spec.enums import Method
    from kelvin_provision.spec.workload import Spec

    with ext4(tmp_path / "blocks", 4 << 20, block=1024) as place:
        spec = Spec(name="a", title="a", app_name="a", app_version="1.0.0", cluster_name="c", method=Method.STAGED, image="r.io/a:1.0.0")
        with Ledger(place / "ledger.db") as ledger:
            ledger.accept([spec], "batch")
        yield place


def test_no_command_dies_on_a_full_disk_with_small_blocks(small_blocks, tmp_path, monkeypatch):
    request = tmp_path / "request.yaml"
    request.write_text(REQUEST.replace("b,", "bb,"))
    for left in (0, 8 << 10, 14 << 10, 24 << 10, 40 << 10):
        leave(small_blocks, left)
        deploy = f"workloads deploy {request}"
        results = in_another_process(small_blocks, request, *READING, deploy, monkeypatch=monkeypatch)
        assert [(words, code) for words, code, *_ in results] == [*((words, 0) for words in READING), (deploy, 73)], left
        assert results[0][3] == "a\n"
        assert results[-1][2] == [f" no space left for {small_blocks}/ledger.db"]


def test_a_ledger_that_is_open_when_the_disk_becomes_full_goes_on(small_blocks, tmp_path, monkeypatch):
    (answer,) = in_another_process(small_blocks, tmp_path, "open", monkeypatch=monkeypatch)
    assert answer == ["no-space", ["a"]]
