"""Whoever is not root on root's state: real processes of another user."""

import json
import os

import pytest

from kelvin_provision.errors import CannotWrite, PermissionRefused
from kelvin_provision.settings.state_dir import refuse_forgotten_sudo, refuse_unsafe
from tests.kit.another_user import UID, needs_root, open_folder, run_as_another_user

pytestmark = [needs_root, pytest.mark.slow]
# The path of root's state is a parameter; all else of the command is as it is.
WITH_ROOT_STATE = """
import sys
from functools import partial
from pathlib import Path
from kelvin_provision.settings import state_dir
state_dir.refuse_forgotten_sudo = partial(state_dir.refuse_forgotten_sudo, root_state=Path(sys.argv[1]))
from kelvin_provision.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
COMMANDS = [
    "workloads list",
    "workloads show pump",
    "workloads history",
    "workloads logs pump",
    "workloads check --all",
    "workloads diff --all",
    "workloads wait pump --for ready",
    "workloads apply --all",
    "workloads apply pump --dry-run",
    "workloads start pump",
    "workloads stop pump --yes",
    "workloads rollback pump",
    "workloads undeploy pump --yes",
    "workloads hold pump --reason x",
    "workloads release pump",
    "images list",
    "images verify",
    "images prune --yes",
    "agent run --until-idle",
    "agent status",
    "agent start",
    "agent stop",
    "agent restart",
    "agent install",
    "api install",
    "api status",
    "doctor",
    "support-bundle",
]


@pytest.fixture
def folder():
    with open_folder() as found:
        (found / "root-state").mkdir(mode=0o700)
        yield found


def forgot(folder, *words, **variables):
    return run_as_another_user(folder, str(folder / "root-state"), *words, code=WITH_ROOT_STATE, **variables)


def test_who_forgets_sudo_is_told_where_the_state_is_and_nothing_is_created(folder):
    done = forgot(folder, "workloads", "hold", "pump", "--reason", "it is summer")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == (
        f"error: root's state is in {folder}/root-state\n hint: sudo kelvin-provision workloads hold pump --reason 'it is summer'\n"
    )
    assert list((folder / "home").rglob("*")) == []


def test_the_same_in_json(folder):
    done = forgot(folder, "doctor", "--json")
    assert done.returncode == 77
    assert json.loads(done.stdout)["error"] == {
        "code": "permission-refused",
        "message": f"root's state is in {folder}/root-state",
        "hint": "sudo kelvin-provision doctor --json",
        "evidence": [],
    }


def test_who_names_a_directory_forgot_nothing(folder):
    own = folder / "home" / "own"
    assert forgot(folder, "workloads", "list", "--state-dir", str(own)).returncode == 0
    assert forgot(folder, "workloads", "list", KELVIN_PROVISION_STATE_DIR=str(own)).returncode == 0


def test_who_has_a_state_of_their_own_works_with_that(folder):
    state = folder / "home" / ".local" / "state" / "kelvin-provision"
    assert forgot(folder, "workloads", "hold", "x", "--reason", "y", "--state-dir", str(state)).returncode == 66  # and has made a ledger
    assert (state / "ledger.db").exists()
    assert forgot(folder, "workloads", "list").returncode == 0


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_on_the_state_of_root_says_sudo(folder, words):
    done = run_as_another_user(folder, *words.split(), "--state-dir", "root-state")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == (f"error: root's state is in {folder}/root-state\n hint: sudo kelvin-provision {words} --state-dir root-state\n")
    assert list((folder / "home").rglob("*")) == []


def test_a_variable_that_sudo_drops_becomes_an_option(folder):
    done = run_as_another_user(folder, "workloads", "list", KELVIN_PROVISION_STATE_DIR=f"{folder}/root-state")
    assert done.returncode == 77
    assert done.stderr.endswith(f" hint: sudo kelvin-provision --state-dir {folder}/root-state workloads list\n")


def test_a_directory_that_cannot_even_be_seen_says_sudo(folder):
    done = run_as_another_user(folder, "doctor", "--state-dir", f"{folder}/root-state/inner")
    assert done.returncode == 77
    assert done.stderr == (
        f"error: no permission to enter the directory of {folder}/root-state/inner\n"
        f" hint: sudo kelvin-provision doctor --state-dir {folder}/root-state/inner\n"
    )


def test_root_forgets_nothing(folder):
    refuse_forgotten_sudo(folder / "none", explicit=False, uid=0, root_state=folder / "root-state")


def test_the_state_of_another_user_is_refused_for_root_too(folder):
    os.chown(folder / "root-state", UID, UID)
    with pytest.raises(PermissionRefused, match=rf"^the state directory {folder}/root-state belongs to nobody$"):
        refuse_unsafe(folder / "root-state", uid=0)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_state_that_others_can_write_to_is_refused(folder, mode):
    (folder / "root-state").chmod(mode)
    with pytest.raises(PermissionRefused, match=rf"^other users can write to the state directory .* \(mode {mode:04o}\)$"):
        refuse_unsafe(folder / "root-state", uid=0)


def test_what_is_no_directory_is_said_in_words(folder):
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("missing")
    for name, text in (
        ("file", "file is not a directory"),
        ("file/state", "file/state: not a directory"),
        ("loop", "loop: too many levels of symbolic links"),
        ("nowhere", "nowhere is a link to a directory that does not exist"),
    ):
        with pytest.raises(CannotWrite, match=f"{text}$"):
            refuse_unsafe(folder / name, uid=0)
