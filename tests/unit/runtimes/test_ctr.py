"""`ctr` played by a shell script behind a real socket: what a healthy containerd cannot be made to do."""

import errno
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import ImportFailed, NoSpace, PermissionRefused, RuntimeFailed, RuntimeUnreachable
from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.runtimes.containerd.ctr import Ctr, Result
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from tests.kit.images import make_image, random_image, tar_of
from tests.kit.locks import blobs_in, lock_of

IMAGE = make_image([tar_of({"hello": b"world"})])


@pytest.fixture
def address():
    """A socket that accepts: enough for a script that does not use it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/c.sock")
        listener.listen(100)
        yield f"{folder}/c.sock"


@pytest.fixture
def script(tmp_path):
    def write(body: str) -> tuple[str, ...]:
        path = tmp_path / "ctr"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return (str(path),)

    return write


def test_a_table_is_cut_where_its_header_says():
    out = (
        "REF               TYPE   STATUS           SIZE            UNPACKED \n"
        "a.example/x@sha   oci    incomplete (2/3) 428.0 B/567.0 B false\n"
        "b.example/y@sha   docker complete (3/3)   1.0 KiB/1.0 KiB true\n"
    )
    assert Result(0, out, "").rows() == [
        {"REF": "a.example/x@sha", "TYPE": "oci", "STATUS": "incomplete (2/3)", "SIZE": "428.0 B/567.0 B", "UNPACKED": "false"},
        {"REF": "b.example/y@sha", "TYPE": "docker", "STATUS": "complete (3/3)", "SIZE": "1.0 KiB/1.0 KiB", "UNPACKED": "true"},
    ]
    assert Result(0, "", "").rows() == []


def test_what_containerd_says_of_its_own_configuration_is_no_evidence(address, script):
    """It is asked to be silent; an older `ctr` is not."""
    body = """
    [ "$CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS" = 1 ] || exit 9
    for number in 1 2 3 4 5 6; do echo "time=now level=warning msg=\\"DEPRECATION: option $number is deprecated\\"" >&2; done
    echo 'ctr: image "x": not found' >&2
    for number in 1 2 3 4 5 6; do echo "WARN[0000] DEPRECATION: option $number is deprecated" >&2; done
    exit 1"""
    result = Ctr(address, "k8s.io", script(body)).run("images", "ls")
    assert (result.code, result.stderr) == (1, ('ctr: image "x": not found',))
    assert result.reports("option 6"), "decisions are made by all of it"


def test_no_socket_is_told_at_once_with_the_command_to_look(tmp_path):
    begin = time.monotonic()
    with pytest.raises(RuntimeUnreachable, match=r"containerd does not answer on .*/none\.sock") as caught:
        Ctr(str(tmp_path / "none.sock"), "k8s.io", ("ctr",)).run("version")
    assert time.monotonic() - begin < 30
    assert shell_line(caught.value.hint) == "systemctl status containerd"
    assert caught.value.evidence == ("No such file or directory",)


def test_the_hint_for_k3s_is_its_own_service(tmp_path):
    with pytest.raises(RuntimeUnreachable) as caught:
        Ctr(str(tmp_path / "none.sock"), "k8s.io", ("/usr/local/bin/k3s", "ctr")).run("version")
    assert shell_line(caught.value.hint) == "systemctl status k3s"


def test_a_socket_that_nobody_listens_on_is_unreachable(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(RuntimeUnreachable) as caught:
        Ctr(str(tmp_path / "dead.sock"), "k8s.io", ("ctr",)).run("version")
    assert caught.value.evidence == ("Connection refused",)


def test_a_forbidden_program_is_a_refused_permission(address, script, tmp_path):
    command = script("exit 0")
    Path(command[0]).chmod(0o644)
    with pytest.raises(PermissionRefused):
        Ctr(address, "k8s.io", command).run("version")


def test_a_missing_program_is_named(address):
    with pytest.raises(RuntimeUnreachable, match="/nowhere/ctr is not installed"):
        Ctr(address, "k8s.io", ("/nowhere/ctr",)).run("version")


def test_a_daemon_that_dies_meanwhile_is_unreachable(address, script):
    command = script('echo "ctr: rpc error: code = Unavailable desc = connection error" >&2; exit 1')
    with pytest.raises(RuntimeUnreachable) as caught:
        Ctr(address, "k8s.io", command).run("images", "ls")
    assert caught.value.evidence == ("ctr: rpc error: code = Unavailable desc = connection error",)


def test_a_daemon_that_never_answers_is_given_up_and_its_child_ended(address, script, tmp_path):
    command = script(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(RuntimeUnreachable):
        Ctr(address, "k8s.io", command, timeout=2.0).run("images", "ls")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_it_is_called_with_the_address_the_namespace_and_the_c_locale(address, script):
    out = Ctr(address, "k8s.io", script('echo "$@ $LC_ALL"')).output("images", "ls")
    assert out == f"-a {address} -n k8s.io images ls C\n"


def test_a_ctr_that_stops_reading_is_asked_why(address, script, tmp_path):
    lock = lock_of(big := random_image([3 << 20]), "example.org/big:1")
    command = script('case "$*" in *import*) head -c 1000 >/dev/null; echo "ctr: unrecognized image format" >&2; exit 1;; esac')
    with pytest.raises(ImportFailed, match=r"containerd did not import example\.org/big@sha256") as caught:
        ContainerdRuntime(address, command=command).load(lock, blobs_in(tmp_path / "b", big))
    assert caught.value.evidence == ("ctr: unrecognized image format",)


def test_a_full_disk_of_containerd_is_no_space(address, script, tmp_path):
    command = script('case "$*" in *import*) cat >/dev/null; echo "ctr: write /x: no space left on device" >&2; exit 1;; esac')
    with pytest.raises(NoSpace) as caught:
        ContainerdRuntime(address, command=command).load(lock_of(IMAGE, "example.org/x:1"), blobs_in(tmp_path / "b", IMAGE))
    assert caught.value.evidence == ("ctr: write /x: no space left on device",)


def test_a_success_that_left_nothing_behind_is_a_failure(address, script, tmp_path):
    command = script('case "$*" in *import*) cat >/dev/null;; esac; exit 0')
    with pytest.raises(ImportFailed) as caught:
        ContainerdRuntime(address, command=command).load(lock_of(IMAGE, "example.org/x:1"), blobs_in(tmp_path / "b", IMAGE))
    assert caught.value.evidence == ("the image is absent",)


def test_a_chatty_child_neither_blocks_nor_grows_us(address, script):
    command = script(
        "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; head -c 3000000 /dev/zero; echo >&2; echo last >&2; cat >/dev/null; exit 1"
    )
    answer = Ctr(address, "k8s.io", command).feed("images", "import", "-", chunks=[b"data"])
    assert answer.stderr[-1] == "last"
    assert 400 < max(map(len, answer.stderr)) <= 1 << 16  # shortened where secrets are masked


def test_an_interrupted_stream_closes_the_input_first_and_lets_the_child_clean_up(address, script, tmp_path):
    command = script(f"cat >/dev/null; echo cleaned > {tmp_path}/mark")

    def chunks():
        yield b"begin"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Ctr(address, "k8s.io", command).feed("images", "import", "-", chunks=chunks())
    assert (tmp_path / "mark").read_text() == "cleaned\n"


def test_a_child_that_does_not_clean_up_in_time_is_killed(address, script, tmp_path):
    command = script(f"echo $$ > {tmp_path}/pid; exec sleep 60")

    def chunks():
        while not (tmp_path / "pid").exists():
            time.sleep(0.01)
        yield b"begin"
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        Ctr(address, "k8s.io", command, exit_timeout=0.2).feed("images", "import", "-", chunks=chunks())
    assert set(threading.enumerate()) <= before
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("said", "version", "pins"),
    [
        ("Client:\n  Version:  2.1.9\n\nServer:\n  Version:  1.6.20~ds1\n  Revision: x\n", "1.6.20~ds1", False),
        ("Client:\n  Version:  v1.7.20-k3s1\n\nServer:\n  Version:  v1.7.20-k3s1\n", "1.7.20-k3s1", True),
        ("Client:\n  Version:  v2.1.9\n\nServer:\n  Version:  v2.1.9\n  UUID: y\n", "2.1.9", True),
    ],
)
def test_the_version_is_the_servers_and_pins_are_honoured_from_1_7_on(address, script, said, version, pins):
    info = ContainerdRuntime(address, command=script(f"printf '%s' '{said}'")).info()
    assert (info.version, info.pins) == (version, pins)


PLUGINS = """
Type:          io.containerd.content.v1
ID:            content
Exports:
               root      ROOT

"""


def layer_of(tmp_path):
    lock, blob = lock_of(IMAGE, "r.io/a:1"), blobs_in(tmp_path / "blobs", IMAGE)
    return lock.layers[0], blob(lock.layers[0])


@pytest.mark.parametrize("root", [PLUGINS.replace("ROOT", "/nowhere/io.containerd.content.v1.content"), "nothing of the kind"])
def test_content_whose_folder_we_cannot_enter_comes_through_ctr(address, script, tmp_path, root):
    layer, path = layer_of(tmp_path)
    (tmp_path / "plugins").write_text(root)
    command = script(
        f'case "$5 $6" in "plugins ls") cat {tmp_path}/plugins;; "content get") test "$7" = {layer.digest} && cat {path};; esac'
    )
    with ContainerdRuntime(address, command=command).open_blob(layer) as pipe:
        assert pipe.read() == path.read_bytes()


def test_content_that_ctr_does_not_have_is_an_empty_pipe(address, script, tmp_path):
    layer, _ = layer_of(tmp_path)
    with ContainerdRuntime(address, command=script('test "$5" = plugins || { echo "content: not found" >&2; exit 1; }')).open_blob(
        layer
    ) as pipe:
        assert pipe.read() == b""


def test_a_pipe_that_nobody_reads_to_its_end_holds_nobody_up(address, script, tmp_path):
    layer, _ = layer_of(tmp_path)
    with ContainerdRuntime(address, command=script('test "$5" = plugins || exec cat /dev/zero')).open_blob(layer) as pipe:
        assert pipe.read(1000) == bytes(1000)


def test_content_of_a_file_that_is_not_there_is_none(address, script, tmp_path):
    layer, path = layer_of(tmp_path)
    folder = tmp_path / "root" / "blobs" / "sha256"
    folder.mkdir(parents=True)
    (tmp_path / "plugins").write_text(PLUGINS.replace("ROOT", str(tmp_path / "root")))
    runtime = ContainerdRuntime(address, command=script(f"cat {tmp_path}/plugins"))
    with runtime.open_blob(layer) as file:
        assert file is None
    folder.joinpath(layer.digest.removeprefix("sha256:")).write_bytes(path.read_bytes())
    with runtime.open_blob(layer) as file:
        assert file.read() == path.read_bytes()


def importing(address, script, tmp_path, does):
    command = script(f'case "$*" in *import*) cat >/dev/null; {does};; esac')
    ContainerdRuntime(address, command=command).load(lock_of(IMAGE, "example.org/x:1"), blobs_in(tmp_path / "b", IMAGE))


def test_a_cause_behind_a_long_line_is_found_and_shown(address, script, tmp_path):
    path = "/var/lib/containerd/" + "x" * 700
    with pytest.raises(NoSpace) as caught:
        importing(address, script, tmp_path, f'echo "ctr: failed to extract {path}: write: no space left on device" >&2; exit 1')
    (line,) = Sanitizer(frozenset).lines(caught.value.evidence)
    assert (len(line), line[:24], line[-23:]) == (400, "ctr: failed to extract /", "no space left on device")


@pytest.mark.parametrize(
    "text",
    [
        "unpack: read /x: input/output error",
        "mkdir /x: read-only file system",
        "open /x: too many open files",
        "fork/exec: cannot allocate memory",
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    ],
)
def test_a_trouble_of_containerd_is_not_the_image_s(address, script, tmp_path, text):
    with pytest.raises(RuntimeFailed) as caught:
        importing(address, script, tmp_path, f'echo "ctr: {text}" >&2; exit 1')
    assert caught.value.evidence == (f"ctr: {text}",)


def test_a_ctr_that_is_killed_says_nothing_of_the_image(address, script, tmp_path):
    with pytest.raises(RuntimeFailed) as caught:
        importing(address, script, tmp_path, "kill -9 $$")
    assert caught.value.evidence == ("ctr was killed by signal 9",)


def test_a_ctr_that_cannot_be_started_for_want_of_files_is_tried_again(address, script, monkeypatch):
    def popen(*words, **named):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("kelvin_provision.runtimes.containerd.ctr.subprocess.Popen", popen)
    with pytest.raises(RuntimeUnreachable, match="cannot be started: too many open files"):
        Ctr(address, "k8s.io", script("exit 0")).run("images", "ls")


def test_what_a_name_stands_for_is_read_to_a_bound(address, script, tmp_path):
    """Another client may give our name to anything: here to a blob without an end."""
    lock, asked = lock_of(IMAGE, "r.io/a:1"), tmp_path / "asked"
    rows = [("REF", "DIGEST", "STATUS", "UNPACKED"), (lock.name, f"sha256:{'1' * 64}", "complete (1/1)", "true")]
    (tmp_path / "table").write_text("".join(f"{name:100} {digest:72} {status:15} {unpacked}\n" for name, digest, status, unpacked in rows))
    command = script(f'case "$5 $6" in "images check") cat {tmp_path}/table;; "content get") touch {asked}; exec cat /dev/zero;; esac')
    assert not ContainerdRuntime(address, command=command).has(lock)
    assert asked.exists()
