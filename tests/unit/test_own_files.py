"""Our own files in the state directory: a link there is never followed, and what is no file or has no locks is said in words."""

import errno
import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from kelvin_provision.agent import activity
from kelvin_provision.agent.lifecycle import logfile, process
from kelvin_provision.errors import CannotWrite
from kelvin_provision.files.durable import write_durably
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.refs import Descriptor
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.verification_log import VerificationLog
from kelvin_provision.support import host
from tests.kit.box import Box

SECRET = b"of somebody else"


def lock(path):
    with exclusive(path, command="x"):
        pass


OPENERS = {
    "lock": lock,
    "agent.lock": lock,
    "agent.next": lock,
    "verified": lambda path: VerificationLog(path).add(f"sha256:{'a' * 64}", (1, 2, 3)),
    "store.lock": lambda path: Store(path.parent).layout.create(),
    "agent.log": lambda path: process.ensure(path.parent, [sys.executable, "-c", "print('x' * 99)"], patience=1),
}


@pytest.mark.parametrize("name", OPENERS)
def test_a_link_in_place_of_our_file_is_not_followed(tmp_path, name):
    target = tmp_path / "target"
    target.write_bytes(SECRET)
    target.chmod(0o644)
    state = tmp_path / "state"
    state.mkdir()
    (state / name).symlink_to(target)
    with pytest.raises(CannotWrite, match=rf"^cannot write {state}/{name}: .* \(it is a link, and links are not followed there\)$"):
        OPENERS[name](state / name)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (SECRET, 0o644)


def test_a_long_log_behind_a_link_is_not_shortened(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"x" * (logfile.LIMIT + 1))
    (tmp_path / "agent.log").symlink_to(target)
    logfile.shorten(tmp_path / "agent.log")
    assert target.stat().st_size == logfile.LIMIT + 1
    assert not logfile.earlier(tmp_path / "agent.log").exists()


def test_what_is_read_is_not_read_through_a_link(tmp_path):
    pid, digest = os.getpid(), f"sha256:{'a' * 64}"
    target = tmp_path / "target"
    target.write_bytes(b'{"pid": %d}\n1 2 3 %s\n' % (pid, digest.encode()))
    assert activity.read(target, pid) == {"pid": pid}
    assert VerificationLog(target).contains(digest, (1, 2, 3))
    assert next(iter(host.tail([target]))).startswith('{"pid"')
    link = tmp_path / "link"
    link.symlink_to(target)
    assert activity.read(link, pid) is None
    assert not VerificationLog(link).contains(digest, (1, 2, 3))
    with pytest.raises(OSError, match="symbolic link"):
        list(host.tail([link]))


@pytest.mark.parametrize("name", OPENERS)
def test_a_folder_in_place_of_our_file_is_said_in_words(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(CannotWrite, match=rf"^cannot write {tmp_path}/{name}: Is a directory$"):
        OPENERS[name](tmp_path / name)


@pytest.mark.parametrize("name", OPENERS)
def test_a_pipe_in_place_of_our_file_blocks_nobody(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(CannotWrite, match=rf"^cannot write {tmp_path}/{name}: "):
        OPENERS[name](tmp_path / name)


def test_what_is_no_file_keeps_its_name(tmp_path):
    """A rename as root would replace /dev/null itself."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        before = path.lstat()
        with pytest.raises(CannotWrite, match=f"^cannot write {path}: it is not a regular file$"):
            write_durably(path, [b"x"])
        assert path.lstat() == before
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_filesystem_without_locks_is_said_in_words(tmp_path, monkeypatch, number):
    def refuses(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuses)
    (tmp_path / "held").touch()
    assert holder(tmp_path / "held") is None
    for call in (lambda: lock(tmp_path / "lock"), Store(tmp_path).layout.create):
        with pytest.raises(CannotWrite, match=rf"^the filesystem of {tmp_path}/.* has no locks: ") as caught:
            call()
        assert caught.value.hint.instruction == "choose a state directory on a local filesystem with --state-dir"


def test_a_folder_in_place_of_a_blob_is_put_aside(tmp_path):
    store = Store(tmp_path)
    store.layout.create()
    blob = Descriptor("", f"sha256:{hashlib.sha256(b'x').hexdigest()}", 1)
    store.path(blob).mkdir()
    assert store.verify(blob) is False
    assert not store.path(blob).exists()
    assert len(list(store.layout.quarantine.iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_every_command_ends_in_words_where_a_lock_is_no_file(tmp_path, kind):
    box = Box(tmp_path)
    box.deploy("pump")
    path = Path(tmp_path / "lock")
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to("lock")}[kind]()
    result = box.run("workloads", "undeploy", "pump", "--yes")
    assert (result.exit_code, result.stderr.startswith(f"error: cannot write {path}: ")) == (73, True)


@pytest.mark.parametrize(
    "entry", ['{"digest": 7}', '{"digest": "sha256:a", "annotations": []}', '{"digest": "sha256:a", "annotations": {"a": 1}}', "[]"]
)
def test_an_index_of_another_shape_is_healed(tmp_path, entry):
    box = Box(tmp_path)
    box.deploy("pump")
    box.turn()
    box.store.layout.index.write_text(f'{{"manifests": [{entry.replace("[]", "[1]") if entry != "[]" else "[]"}]}}')
    box.deploy("pump", version="2.0.0")
    box.turn()
    assert box.states()["pump"][1] == "ready"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "folder", "loop"])
@pytest.mark.parametrize(
    "name", ["ledger.db", "partial", "quarantine", "images", "images/blobs", "images/index.json", "verified", "store.lock"]
)
def test_no_command_ends_as_a_bug_whatever_is_in_place_of_ours(tmp_path, name, kind):
    box = Box(tmp_path)
    box.deploy("pump")
    box.turn()
    box.close()
    box._connections = None
    path = tmp_path / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    {"file": path.touch, "folder": path.mkdir, "loop": lambda: path.symlink_to(path.name)}[kind]()
    for words in ("workloads list", "workloads apply pump", "images list", "images verify", "images prune --yes", "doctor"):
        result = box.run(*words.split())
        assert (result.exit_code == 70, "has a bug" in result.stdout) == (False, False), (words, result)
