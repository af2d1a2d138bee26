"""Versions beside each other: installed, switched, taken back and removed; killed at every step; on trees that are scripts."""

import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from kelvin_provision.errors import Locked, ReleaseInvalid, ReleaseMissing, StateTooNew
from kelvin_provision.files.lock import exclusive
from kelvin_provision.installation import changing, trees
from kelvin_provision.installation.outside import Outside
from tests.kit.cli import run
from tests.kit.crash import killed

TOOL = """#!/bin/sh
home='@HOME@'
[ -d "$home" ] || exit 9
case "$*" in
--version) cat "$home/version";;
*"agent status"*) echo '{"agent": {"alive": false}}';;
*"workloads list"*) cat "$home/list.json"; exit 78;;
esac
"""
CHANGES = {"os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen", "shutil.rmtree", "os.chmod"}


def unpacked(prefix, version, pid=1, *, list_answer="{}"):
    """What the self-extracting file has unpacked."""
    tree = prefix / f".incoming.{pid}"
    for name in ("bin", "runtime", "share/man/man1", "share/completions", "share/units"):
        (tree / name).mkdir(parents=True)
    (tree / "release.json").write_text(json.dumps({"version": version, "commit": "abcdef0123", "architecture": "amd64", "epoch": 1}))
    (tree / "version").write_text(version)
    (tree / "list.json").write_text(list_answer)
    loader = tree / "runtime/ld-linux-fake"
    loader.write_text(f"#!/bin/sh\necho {version}\n")
    for path in (tree / "bin/kelvin-provision", tree / "bin/python"):
        path.write_text(TOOL)
        path.chmod(0o755)
    loader.chmod(0o755)
    (tree / "share/man/man1/kelvin-provision.1").write_text(version)
    (tree / f"share/man/man1/kelvin-provision-{version}.1").write_text(version)
    for shell in ("bash", "zsh", "fish"):
        (tree / f"share/completions/kelvin-provision.{shell}").write_text(shell)
    (tree / "share/units/kelvin-provision-agent.service").write_text(f"ExecStart=@PREFIX@/current {version}")
    return tree


@pytest.fixture
def prefix(tmp_path):
    return tmp_path / "opt"


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "root/usr/lib/systemd").mkdir(parents=True)
    (tmp_path / "root/usr/lib/systemd/systemd").touch()
    return Outside(tmp_path / "root")


def install(prefix, outside, version, **more):
    return changing.install(unpacked(prefix, version, **more), prefix, outside)


def runs(prefix):
    return subprocess.run([prefix / "current/bin/kelvin-provision", "--version"], capture_output=True, text=True, check=False).stdout


def test_an_upgrade_keeps_the_version_before_and_removes_the_one_before_that(prefix, outside):
    first = install(prefix, outside, "1")
    assert (first.tree.version, first.before, runs(prefix)) == ("1", "", "1")
    install(prefix, outside, "2")
    third = install(prefix, outside, "3")
    assert (third.before, third.removed, runs(prefix)) == ("2", ("1",), "3")
    assert [(tree.version, tree.current, tree.previous) for tree in trees.trees(prefix)] == [("3", True, False), ("2", False, True)]
    assert {path.name for path in prefix.iterdir()} == {"2", "3", "current", "previous", ".lock"}


def test_what_lies_elsewhere_follows_the_current_version(prefix, outside):
    install(prefix, outside, "1")
    install(prefix, outside, "2")
    command = outside.local / "bin/kelvin-provision"
    assert command.readlink() == prefix / "current/bin/kelvin-provision"
    pages = outside.local / "share/man/man1"
    assert sorted(page.name for page in pages.iterdir()) == ["kelvin-provision-2.1", "kelvin-provision.1"]
    assert (pages / "kelvin-provision.1").read_text() == "2"
    assert (outside.units / "kelvin-provision-agent.service").read_text() == f"ExecStart={prefix}/current 2"


def test_a_command_of_somebody_else_is_left_alone(prefix, outside):
    command = outside.local / "bin/kelvin-provision"
    command.parent.mkdir(parents=True)
    command.write_text("of pip")
    (warning,) = install(prefix, outside, "1").warnings
    assert str(command) in warning
    assert command.read_text() == "of pip"


def test_the_way_back_leads_forward_again(prefix, outside):
    install(prefix, outside, "1")
    install(prefix, outside, "2")
    assert changing.roll_back(prefix, outside).tree.version == "1"
    assert runs(prefix) == "1"
    assert changing.roll_back(prefix, outside).before == "1"
    assert runs(prefix) == "2"


def test_there_is_no_way_back_from_the_first_one(prefix, outside):
    install(prefix, outside, "1")
    install(prefix, outside, "1")
    with pytest.raises(ReleaseMissing):
        changing.roll_back(prefix, outside)


def test_a_version_that_cannot_read_the_ledger_any_more_does_not_become_the_current_one(prefix, outside):
    refused = json.dumps({"status": "error", "error": {"code": "state-too-new", "message": "schema 13"}})
    install(prefix, outside, "1", list_answer=refused)
    install(prefix, outside, "2")
    with pytest.raises(StateTooNew, match="schema 13"):
        changing.roll_back(prefix, outside)
    assert runs(prefix) == "2"


def test_the_same_version_once_more_repairs_it(prefix, outside):
    install(prefix, outside, "1")
    (prefix / "1/version").write_text("damaged")
    assert install(prefix, outside, "1").before == "1"
    assert runs(prefix) == "1"
    assert not list(prefix.glob(".incoming*"))


def test_a_tree_that_does_not_run_here_changes_nothing(prefix, outside):
    install(prefix, outside, "1")
    tree = unpacked(prefix, "2")
    (tree / "runtime/ld-linux-fake").write_text("#!/bin/sh\necho 'cannot execute' >&2\nexit 127\n")
    with pytest.raises(ReleaseInvalid, match="cannot execute"):
        changing.install(tree, prefix, outside)
    assert runs(prefix) == "1"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 1}', b"\xff"])
def test_what_is_no_whole_tree_is_refused(prefix, outside, content):
    tree = unpacked(prefix, "1")
    (tree / "release.json").write_bytes(content)
    with pytest.raises(ReleaseInvalid):
        changing.install(tree, prefix, outside)


def test_the_interpreter_that_installs_still_finds_its_modules(prefix, outside, tmp_path, monkeypatch):
    """It was started where it was unpacked; on a box with systemd it needs one more module after the tree has its name."""
    tree = unpacked(prefix, "1")
    (tree / "lib").mkdir()
    (tree / "lib/imported_late.py").write_text("LATE = True")
    monkeypatch.syspath_prepend(str(tree / "lib"))

    class Box(Outside):
        @property
        def has_systemd(self):
            return importlib.import_module("imported_late").LATE

    changing.install(tree, prefix, Box(outside.root))
    assert sys.modules.pop("imported_late").LATE
    assert not list(prefix.glob(".incoming*"))


def test_two_at_once_are_refused(prefix, outside):
    prefix.mkdir()
    with exclusive(prefix / ".lock", command="installation"), pytest.raises(Locked):
        install(prefix, outside, "1")


def test_what_an_interrupted_one_left_is_removed_and_what_runs_is_not(prefix, outside):
    unpacked(prefix, "1", pid=4194999)  # more than any pid
    running = unpacked(prefix, "1", pid=os.getpid())
    install(prefix, outside, "2", pid=1)
    assert [path.name for path in prefix.glob(".incoming*")] == [running.name]


def test_uninstalling_leaves_state_and_settings_and_purging_nothing(prefix, outside):
    before = set(outside.root.rglob("*"))
    for place in ("var/lib/kelvin-provision", "etc/kelvin-provision"):
        (outside.root / place).mkdir(parents=True)
        (outside.root / place / "x").touch()
    install(prefix, outside, "1")
    install(prefix, outside, "2")
    stays = changing.uninstall(prefix, outside, purge=False)
    assert [Path(path).name for path in stays] == ["kelvin-provision"] * 2
    assert not prefix.exists()
    install(prefix, outside, "1")
    assert changing.uninstall(prefix, outside, purge=True) == ()
    left = set(outside.root.rglob("*")) - before
    assert left <= {
        outside.root / name
        for name in ("etc", "var", "var/lib", "usr/local", "usr/local/bin", "usr/local/lib", "usr/local/share", "usr/local/share/man")
    }


@pytest.mark.slow
@pytest.mark.parametrize("work", ["install", "again", "roll back"])
def test_one_that_is_killed_at_any_step_leaves_a_version_that_works_and_is_repeated(tmp_path, outside, work):
    """Before every rename, link, removal and child."""

    def dying(number):
        steps = count()

        def hook(event, _):
            if event in CHANGES and next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)  # of the child process alone

    for number in count():
        prefix = tmp_path / str(number)
        install(prefix, outside, "1")
        install(prefix, outside, "2")
        tree = unpacked(prefix, {"install": "3", "again": "2", "roll back": "9"}[work], pid=4194999)

        def change(prefix=prefix, tree=tree, number=number):
            dying(number)
            changing.roll_back(prefix, outside) if work == "roll back" else changing.install(tree, prefix, outside)

        was_killed = killed(change)
        assert runs(prefix) in {"install": {"2", "3"}, "again": {"2"}, "roll back": {"1", "2"}}[work], number
        again = "3" if work == "install" else "2"
        install(prefix, outside, again)
        assert runs(prefix) == again
        assert not list(prefix.glob(".incoming*"))
        shutil.rmtree(prefix)
        if not was_killed:
            break
    assert number > 5


def test_a_full_disk_is_said_and_changes_nothing(prefix, outside, monkeypatch):
    install(prefix, outside, "1")
    tree = unpacked(prefix, "2")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert run("explain", "no-space").exit_code == 0
    with pytest.raises(Exception, match="space"):
        changing.install(tree, prefix, outside)
    assert runs(prefix) == "1"


def test_a_program_of_pip_has_one_version_and_says_so():
    for words in (["self", "list"], ["self", "rollback"]):
        found = json.loads(run(*words, "--json").stdout)["error"]
        assert (found["code"], found["hint"]) == ("release-missing", "install another one with pip")
