"""Hooks are real scripts here: what they are given, what becomes of those that fail, hang or print rubbish, and what is left of them."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import HookFailed, HookRefused, HookTimeout, Interrupted
from kelvin_provision.events import Finished, Started
from kelvin_provision.foreign.sanitizer import LONGEST_LINE, Sanitizer
from kelvin_provision.hooks import process
from kelvin_provision.hooks.folder import HookFolder
from kelvin_provision.hooks.process import Ending
from tests.kit.scripts import script

LONG = 60.0


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


def go(folder, event="pre-apply", document=None, *, timeout=LONG, stop=lambda: False, said=None):
    HookFolder(folder, timeout).run(event, document or {"event": event}, (said if said is not None else []).append, stop)


def written(folder, name):
    return (folder / name).read_text()


def told(pids):
    """Wait for a line of numbers, and give a handle on each of the processes."""
    with pids.open() as file:
        return [os.pidfd_open(int(pid)) for pid in file.readline().split()]


def ended(handles):
    """Whether all of them end, as the kernel tells it."""
    left = set(handles)
    while left:
        ready = select.select(list(left), [], [], 30)[0]
        if not ready:
            return False
        left -= set(ready)
    for handle in handles:
        os.close(handle)
    return True


def hanging(folder, name="pre-apply", before="", after="wait"):
    """A hook that says who it and its child are, then hangs."""
    pids = folder / "pids"
    os.mkfifo(pids)
    script(folder, name, f"{before}\nsleep 1000 &\necho $$ $! > {pids}\n{after}")
    return pids


# --- what it is given -----------------------------------------------------------------------------


def test_a_hook_reads_the_plan_and_sees_nothing_of_ours(folder, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "swordfish")
    script(folder, "pre-apply", f"cat > {folder}/plan; env > {folder}/env; pwd > {folder}/pwd; ls -l /proc/$$/fd > {folder}/fds")
    go(folder, document={"schema": 1, "event": "pre-apply", "workloads": [{"name": "x" * 200_000}]})
    assert json.loads(written(folder, "plan"))["workloads"] == [{"name": "x" * 200_000}]
    seen = dict(line.split("=", 1) for line in written(folder, "env").splitlines())
    assert {key: seen[key] for key in ("HOME", "HOOK", "LANG", "PATH")} == {
        "HOME": "/",
        "HOOK": "pre-apply",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    assert set(seen) <= {"HOME", "HOOK", "LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert written(folder, "pwd") == "/\n"
    assert "socket:" not in written(folder, "fds")


def test_a_hook_that_does_not_read_is_not_waited_for(folder):
    script(folder, "pre-apply", "exit 0")
    go(folder, document={"plan": "x" * 1_000_000})


def test_the_file_comes_first_then_the_folder_by_name(folder):
    script(folder, "pre-apply", f"echo file >> {folder}/order")
    script(folder, "pre-apply.d/20-b", f"echo b >> {folder}/order")
    script(folder, "pre-apply.d/10-a.sh", f"echo a >> {folder}/order")
    script(folder, "pre-apply.d/.hidden", "exit 1")
    script(folder, "pre-apply.d/10-a.sh~", "exit 1")
    said = []
    go(folder, said=said)
    assert written(folder, "order") == "file\na\nb\n"
    assert said[:2] == [Started("pre-apply", "running"), Finished("pre-apply", "done")]
    assert said[-1] == Finished("pre-apply.d/20-b", "done")


def test_without_hooks_there_is_nothing_to_run(folder):
    assert HookFolder(folder / "absent", LONG).any() is False
    assert HookFolder(folder, LONG).any() is False
    go(folder)
    script(folder, "on-failure", "exit 0")
    assert HookFolder(folder, LONG).any() is True


# --- what fails -----------------------------------------------------------------------------------


def test_a_failing_hook_says_how_and_its_last_words_are_kept(folder):
    script(folder, "pre-apply.d/10-drain", "echo draining; echo 'valve 3 is stuck' >&2; exit 7")
    script(folder, "pre-apply.d/20-next", f"touch {folder}/ran")
    with pytest.raises(HookFailed, match=r"^hook pre-apply\.d/10-drain: exit code 7$") as caught:
        go(folder)
    assert caught.value.evidence == ("pre-apply.d/10-drain: draining", "pre-apply.d/10-drain: valve 3 is stuck")
    assert not (folder / "ran").exists()


def test_a_hook_that_is_killed_says_by_what(folder):
    script(folder, "pre-apply", "kill -9 $$")
    with pytest.raises(HookFailed, match=r"^hook pre-apply: killed by signal 9$"):
        go(folder)


def test_binary_output_is_made_printable_and_endless_output_is_cut(folder):
    script(folder, "pre-apply", r"head -c 3000000 /dev/zero | tr '\0' x; echo; printf 'a\033[2J\377\000b\n'; exit 1")
    with pytest.raises(HookFailed) as caught:
        go(folder)
    assert Sanitizer(frozenset).lines(caught.value.evidence) == ("pre-apply: a\\x1b[2J\N{REPLACEMENT CHARACTER}\\x00b",)
    script(folder, "pre-apply", "head -c 3000000 /dev/zero | tr '\\0' x; exit 1")
    with pytest.raises(HookFailed) as caught:
        go(folder)
    (line,) = Sanitizer(frozenset).lines(caught.value.evidence)
    assert (len(line), line[:12]) == (LONGEST_LINE, "pre-apply: x")


def test_the_last_words_are_kept_however_many_are_still_in_the_pipe_when_the_hook_ends():
    (reading, writing), (ours, theirs) = os.pipe(), socket.socketpair()
    with open(reading, "rb") as stdout, open(writing, "wb") as hook, ours:
        hook.write(b"x" * 60_000 + b"\nthe reason\n")
        hook.flush()
        theirs.sendall(b"exited 1\n")
        theirs.close()
        outcome = process._follow(SimpleNamespace(stdout=stdout), ours, time.monotonic() + 60, lambda: False)
    assert (outcome.ending, outcome.code, outcome.output) == (Ending.EXITED, 1, ("the reason",))


@pytest.mark.slow
def test_a_hook_that_hangs_is_killed_with_all_that_it_started(folder):
    script(folder, "pre-apply", "trap '' TERM\necho still here\nsleep 1000")
    with pytest.raises(HookTimeout, match=r"^hook pre-apply took longer than 0\.5 s and was killed$"):
        go(folder, timeout=0.5)


def test_a_signal_to_us_ends_the_hook_with_its_children(folder):
    pids = hanging(folder)
    handles = []

    def stop():
        handles.extend(told(pids) if not handles else [])
        return True

    with pytest.raises(Interrupted, match=r"^hook pre-apply was stopped by a signal$"):
        go(folder, stop=stop)
    assert ended(handles)


def test_what_a_hook_leaves_behind_is_ended_with_it(folder):
    go_on = folder / "go"
    os.mkfifo(go_on)
    pids, handles = hanging(folder, after=f"read line < {go_on}"), []

    def stop():
        if not handles:
            handles.extend(told(pids))
            go_on.write_text("on\n")
        return False

    go(folder, stop=stop)
    assert ended(handles)


def test_a_killed_command_leaves_no_hook_behind(folder):
    pids = hanging(folder)
    code = (
        "import pathlib, sys; from kelvin_provision.hooks.folder import HookFolder;"
        "HookFolder(pathlib.Path(sys.argv[1]), 1000.0).run('pre-apply', {}, lambda event: None, lambda: False)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], env=os.environ | {"PYTHONPATH": str(root)}) as command:
        handles = told(pids)
        command.send_signal(signal.SIGKILL)
    assert ended(handles)


def test_a_guard_that_is_killed_takes_its_hook_along(folder):
    pids, handles = hanging(folder, after="kill -9 $PPID; wait"), []
    with pytest.raises(HookFailed, match=r"^hook pre-apply: its guard process was killed$"):
        go(folder, stop=lambda: not handles and bool(handles.extend(told(pids))))
    assert ended(handles)


# --- what is not run ------------------------------------------------------------------------------


def refusal(folder, event="pre-apply"):
    with pytest.raises(HookRefused) as caught:
        go(folder, event)
    return str(caught.value).replace(str(folder), "HOOKS"), shell_line(caught.value.hint).replace(str(folder), "HOOKS")


def test_a_hook_that_is_not_executable_is_refused_before_any_is_run(folder):
    script(folder, "pre-apply", f"touch {folder}/ran")
    script(folder, "pre-apply.d/10-x", "exit 0", mode=0o644)
    assert refusal(folder) == ("HOOKS/pre-apply.d/10-x is not executable", "chmod 755 HOOKS/pre-apply.d/10-x")
    assert not (folder / "ran").exists()


def test_a_hook_that_others_may_change_is_refused(folder):
    script(folder, "pre-apply", "exit 0", mode=0o757)
    assert refusal(folder) == ("HOOKS/pre-apply is writable for other users (mode 0757)", "chmod go-w HOOKS/pre-apply")


def test_a_folder_that_others_may_change_is_refused(folder):
    script(folder, "pre-apply.d/10-x", "exit 0")
    (folder / "pre-apply.d").chmod(0o775)
    assert refusal(folder) == (
        "HOOKS/pre-apply.d/10-x: HOOKS/pre-apply.d is writable for other users (mode 0775)",
        "chmod go-w HOOKS/pre-apply.d",
    )


def test_a_link_is_as_good_as_where_it_leads(folder):
    (folder / "open").mkdir()
    script(folder, "open/drain", "exit 0")
    (folder / "pre-apply").symlink_to(folder / "open" / "drain")
    go(folder)
    (folder / "open").chmod(0o777)
    assert refusal(folder)[0] == "HOOKS/pre-apply: HOOKS/open is writable for other users (mode 0777)"
    (folder / "pre-apply").unlink()
    (folder / "pre-apply").symlink_to("gone")
    assert refusal(folder)[0] == "HOOKS/pre-apply: no such file or directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_hook_of_another_user_is_refused(folder):
    os.chown(script(folder, "pre-apply", "exit 0"), 65534, 65534)
    assert refusal(folder) == ("HOOKS/pre-apply belongs to user 65534, who could change it", "chown root HOOKS/pre-apply")


def test_what_is_no_program_is_refused(folder):
    (folder / "pre-apply").mkdir(mode=0o755)
    assert refusal(folder) == ("HOOKS/pre-apply is not a file", "a directory of hooks is named pre-apply.d")
    (folder / "post-apply").write_bytes(b"\x00\x01 no program")
    (folder / "post-apply").chmod(0o755)
    assert refusal(folder, "post-apply")[0] == "HOOKS/post-apply cannot be started: exec format error"
