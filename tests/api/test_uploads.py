"""Uploads in chunks: in order and not, cut off, of several writers, on a full disk; nothing that was acknowledged is ever lost."""

import os
import random
import signal
import socket
import threading
from pathlib import Path

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.routes.uploads import CHUNK
from kelvin_provision.quantity import DAY, HOUR
from kelvin_provision.settings.model import Settings
from kelvin_provision.uploads import beginning, tidying
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Announced
from kelvin_provision.uploads.tidying import Tidying
from kelvin_provision.uploads.writing import Writer
from tests.kit import api_process
from tests.kit.api import serving
from tests.kit.api_process import ApiProcess
from tests.kit.disks import fill, needs_mount, tmpfs
from tests.kit.openapi import valid
from tests.kit.uploads import UPLOADS, announce, put, send, uploaded
from tests.kit.waiting import PATIENCE, until

DATA = random.Random(7).randbytes(300_001)  # noqa: S311  (no secret)
ONE = f"{UPLOADS}/{{upload}}"


@pytest.fixture
def begun(api):
    return announce(api, DATA)["id"]


def shown(api, identifier):
    return api.get(f"{UPLOADS}/{identifier}", Level.DEPLOY)


def content(box, identifier):
    return Uploads(box.settings.state_dir).content(identifier).read_bytes()


def is_locked(path):
    """By whomever, and without asking for the lock."""
    return f":{path.stat().st_ino} " in Path("/proc/locks").read_text()


def test_chunks_in_order_are_the_file(box, api):
    answer = api.post(UPLOADS, {"name": "line-3.kpb", "size": len(DATA)}, Level.DEPLOY)
    identifier = answer.json["id"]
    assert (answer.status, answer.headers["location"], answer.json["by"]) == (201, f"{UPLOADS}/{identifier}", "deploy")
    valid(answer, UPLOADS, "post")
    send(api, identifier, DATA, 70_000)
    answer = shown(api, identifier)
    valid(answer, ONE)
    assert (answer.json["offset"], answer.json["complete"]) == (len(DATA), True)
    assert [answer.headers[f"upload-{name}"] for name in ("offset", "length", "complete")] == [str(len(DATA)), str(len(DATA)), "?1"]
    assert content(box, identifier) == DATA
    answer = api.get(UPLOADS, Level.DEPLOY)
    valid(answer, UPLOADS)
    assert ([upload["id"] for upload in answer.json["uploads"]], answer.json["chunk"]) == ([identifier], CHUNK)
    head = api.ask("HEAD", f"{UPLOADS}/{identifier}", token=api.as_level(Level.DEPLOY))
    assert (head.status, head.body, head.headers["upload-offset"]) == (200, b"", str(len(DATA)))


def test_what_it_keeps_is_for_its_owner_alone(box, begun, api):
    send(api, begun, DATA)
    root = box.settings.state_dir / "uploads"
    assert {path.stat().st_mode & 0o777 for path in (root, root / begun)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in (root / begun).iterdir()} == {0o600}


@pytest.mark.parametrize("offset", [0, 99_999, 100_001, 300_001, 1 << 45])
def test_an_offset_that_is_not_the_end_is_409_with_the_right_one(box, api, begun, offset):
    """Out of order, overlapping, or sent again."""
    assert put(api, begun, 0, DATA[:100_000]).status == 204
    answer = put(api, begun, offset, DATA[100_000:200_000])
    valid(answer, ONE, "put")
    assert (answer.status, answer.error["name"], answer.error["payload"]) == (409, "offset-mismatch", {"offset": 100_000})
    assert answer.headers["upload-offset"] == "100000"
    send(api, begun, DATA)
    assert content(box, begun) == DATA


def test_longer_than_it_was_said_to_be_is_413_and_nothing_of_it_is_kept(box, api, begun):
    assert put(api, begun, 0, DATA + b"x").status == 413
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(DATA) + 1, DATA + b"x")
    answer = raw(api, begun, b"Transfer-Encoding: chunked\r\nUpload-Offset: 0", chunked)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert shown(api, begun).json["offset"] == 0
    assert content(box, begun) == b""


def test_a_chunk_has_a_limit(api):
    identifier = announce(api, b"", size=1 << 30, name="big")["id"]
    answer = put(api, identifier, 0, bytes(CHUNK + 1))
    assert (answer.status, answer.error["name"]) == (413, "body-too-large")
    assert put(api, identifier, 0, bytes(CHUNK)).status == 204


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [{}, {"Upload-Offset": ""}, {"Upload-Offset": "-1"}, {"Upload-Offset": "1e3"}, {"Upload-Offset": "٣"}, {"Upload-Offset": "9" * 4000}],
)
def test_without_a_number_that_says_where_it_belongs_nothing_is_taken(api, begun, headers):
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = api.ask("PUT", f"{UPLOADS}/{begun}", token=api.as_level(Level.DEPLOY), body=DATA[:10], headers=encoded)
    assert (answer.status, answer.error["name"]) == (400, "bad-header")
    twice = raw(api, begun, b"Content-Length: 2\r\nUpload-Offset: 0\r\nUpload-Offset: 0", b"ab")
    assert twice.startswith(b"HTTP/1.1 400 ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [{}, {"name": "a"}, {"name": "", "size": 1}, {"name": " ", "size": 1}, {"name": "a", "size": 0}, {"name": "a", "size": -1}, {"name": "a", "size": True},
     {"name": "a", "size": 1 << 60}, {"name": "a", "size": 1.5}, {"name": "a" * 256, "size": 1}, {"name": 7, "size": 1}, {"name": "a", "size": 1, "sha256": "A" * 64},
     {"name": "a", "size": 1, "sha256": "ab"}, {"name": "a", "size": 1, "mark": "m" * 129}, {"name": "a", "size": 1, "path": "/etc/x"}],
)  # fmt: skip
def test_what_is_no_announcement_is_400_and_makes_nothing(box, api, body):
    assert api.post(UPLOADS, body, Level.DEPLOY).error["name"] == "bad-body"
    assert not (box.settings.state_dir / "uploads").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/shadow", "a/b", "..", ".", "a\nb\x1b[2J", "\u202egpk", "CON", "x" * 255])
def test_names_are_shown_and_never_become_paths(box, api, name):
    identifier = uploaded(api, b"x", name=name)
    assert sorted(path.name for path in (box.settings.state_dir / "uploads").iterdir()) == [identifier]
    assert {path.name for path in (box.settings.state_dir / "uploads" / identifier).iterdir()} == {"upload.json", "bundle.kpb", "offset"}
    assert Uploads(box.settings.state_dir).get(identifier).announced.name == name
    assert b"\x1b" not in api.get(UPLOADS, Level.DEPLOY).body


@pytest.mark.slow
@pytest.mark.parametrize(
    "identifier", ["..", "..%2F..", "%2e%2e", ".0123456789abcdef", "0123456789ABCDEF", "0123456789abcdef%00", "0" * 16, "x" * 5000]
)
def test_an_identifier_that_is_none_is_404(api, begun, identifier):
    for method in ("GET", "PUT", "DELETE"):
        answer = api.ask(method, f"{UPLOADS}/{identifier}", token=api.as_level(Level.DEPLOY), headers={"Upload-Offset": "0"})
        assert (answer.status, answer.error["name"] in {"upload-unknown", "route-unknown"}) == (404, True)


def test_the_same_announcement_goes_on_where_it_was(api):
    first = announce(api, DATA, mark="1732792000")
    put(api, first["id"], 0, DATA[:1000])
    again = api.post(UPLOADS, {"name": "line-3.kpb", "size": len(DATA), "mark": "1732792000"}, Level.DEPLOY)
    assert (again.status, again.json["id"], again.json["offset"]) == (200, first["id"], 1000)
    assert announce(api, DATA, mark="another")["id"] != first["id"]
    other = api.post(UPLOADS, {"name": "line-3.kpb", "size": len(DATA), "mark": "1732792000"}, Level.ADMIN)
    assert (other.status, other.json["by"]) == (201, "admin")


def raw(api, identifier, head, body, *, wait=True):
    """A request as bytes; what was answered."""
    token = api.as_level(Level.DEPLOY).encode()
    with socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE) as connection:
        connection.sendall(
            b"PUT %b/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n%b\r\n\r\n"
            % (UPLOADS.encode(), identifier.encode(), token, head)
            + body
        )
        return connection.recv(65536) if wait else b""


def test_a_client_that_hangs_up_in_the_middle_loses_what_has_not_arrived_and_no_more(box, api, begun):
    raw(api, begun, b"Content-Length: 200000\r\nUpload-Offset: 0", DATA[:150_000], wait=False)
    kept = until(lambda: shown(api, begun).json["offset"])
    assert 80_000 < kept <= 150_000, "all but what the server had not looked at yet"
    assert content(box, begun) == DATA[:kept]
    until(lambda: put(api, begun, kept, DATA[kept:]).status == 204)
    assert content(box, begun) == DATA


def test_a_body_that_is_too_slow_is_cut_off_and_what_has_come_of_it_is_kept(box):
    """So that a slow link makes progress: the deadline of a body is that of every body."""
    with serving(box, body=0.3) as api:
        identifier = announce(api, DATA)["id"]
        answer = raw(api, identifier, b"Content-Length: 200000\r\nUpload-Offset: 0", DATA[:100_000])
        assert answer == b""
        assert until(lambda: shown(api, identifier).json["offset"]) == 100_000
        assert content(box, identifier) == DATA[:100_000]


def test_of_two_writers_one_wins(box, api, begun):
    first = socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE)
    token = api.as_level(Level.DEPLOY).encode()
    first.sendall(
        b"PUT %b/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\nContent-Length: 1000\r\nUpload-Offset: 0\r\n\r\n"
        % (UPLOADS.encode(), begun.encode(), token)
        + DATA[:999]
    )
    until(lambda: is_locked(Uploads(box.settings.state_dir).content(begun)))  # a request would take the lock itself to find out
    assert put(api, begun, 5, b"").error["name"] == "upload-busy"
    assert put(api, begun, 0, DATA[:1000]).status == 409
    removal = api.ask("DELETE", f"{UPLOADS}/{begun}", token=api.as_level(Level.DEPLOY))
    assert (removal.status, removal.error["name"]) == (409, "upload-busy")
    first.sendall(DATA[999:1000])
    assert first.recv(65536).startswith(b"HTTP/1.1 204 ")
    first.close()
    assert shown(api, begun).json["offset"] == 1000
    racing, answers = threading.Barrier(4), []

    def race():
        racing.wait()
        answers.append(put(api, begun, 1000, DATA[1000:]).status)

    threads = [threading.Thread(target=race) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(answers) == [204, 409, 409, 409]
    assert content(box, begun) == DATA


def test_a_removed_one_is_gone_with_its_bytes(box, api, begun):
    send(api, begun, DATA)
    assert api.ask("DELETE", f"{UPLOADS}/{begun}", token=api.as_level(Level.DEPLOY)).status == 204
    assert list((box.settings.state_dir / "uploads").iterdir()) == []
    answer = api.ask("DELETE", f"{UPLOADS}/{begun}", token=api.as_level(Level.DEPLOY))
    valid(answer, ONE, "delete")
    assert (answer.status, answer.error["name"]) == (404, "upload-unknown")
    assert put(api, begun, 0, b"x").status == 404
    lines = until(lambda: [line for line in api.get("/edge/v1/history").json["entries"] if line["action"] == "upload"][1:])
    assert [(line["who"], line["outcome"], line["detail"]) for line in lines] == [("deploy@127.0.0.1 via api", "removed", "line-3.kpb")]


@pytest.mark.slow
def test_there_are_so_many_and_no_more(api):
    answers = [api.post(UPLOADS, {"name": f"{number}.kpb", "size": 10}, Level.DEPLOY) for number in range(100)]
    assert [answer.status for answer in answers] == [201] * beginning.MOST + [409] * (100 - beginning.MOST)
    assert (answers[-1].error["name"], len(api.get(UPLOADS, Level.DEPLOY).json["uploads"])) == ("too-many-uploads", beginning.MOST)


def test_what_does_not_fit_is_507_with_the_numbers_before_its_first_byte(api):
    answer = api.post(UPLOADS, {"name": "huge", "size": 1 << 45}, Level.DEPLOY)
    assert (answer.status, answer.error["name"]) == (507, "no-space")
    assert "the upload needs 32 TiB, and /" in answer.error["description"].replace("32.0 TiB", "32 TiB")
    assert " available (" in answer.error["description"]
    assert api.get(UPLOADS, Level.DEPLOY).json["uploads"] == []


@needs_mount
@pytest.mark.slow
def test_on_a_disk_that_fills_up_it_waits_and_goes_on(box, tmp_path):
    """What others of the same size have announced counts, too."""
    with tmpfs(tmp_path / "disk", "48m") as disk:
        small = type(box)(disk / "state", like=box)
        try:
            with serving(small) as api:
                data = random.Random(8).randbytes(20 << 20)  # noqa: S311  (no secret)
                first = announce(api, data)["id"]
                assert api.post(UPLOADS, {"name": "second", "size": 30 << 20}, Level.DEPLOY).status == 507
                assert put(api, first, 0, data[: 4 << 20]).status == 204
                fill(disk)
                answer = put(api, first, 4 << 20, data[4 << 20 : 12 << 20])
                assert (answer.status, answer.error["name"]) == (507, "no-space")
                kept = shown(api, first).json["offset"]
                assert kept >= 4 << 20
                (disk / "filler").unlink()
                send(api, first, data)
                assert content(small, first) == data
        finally:
            small.close()


def test_other_levels_and_other_methods_are_refused(api, begun):
    for level in (Level.READ, Level.OPERATE):
        assert api.get(f"{UPLOADS}/{begun}", level).status == 403
        assert api.ask("PUT", f"{UPLOADS}/{begun}", token=api.as_level(level), body=b"x", headers={"Upload-Offset": "0"}).status == 403
    assert api.post(f"{UPLOADS}/{begun}").status == 405


# --- what is left lying about -----------------------------------------------------------------------


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path)


def made(uploads, size=10, created="2026-11-28T00:00:00Z"):
    return uploads.create(Announced("x", size), created=created, by="anna").id


def test_an_upload_is_removed_after_it_was_seen_idle_for_a_week(uploads):
    now = [0.0]
    old = made(uploads, created="1970-01-01T00:00:00Z")
    tidying_up = Tidying(uploads, lambda: now[0])
    for _ in range(int(tidying.KEPT / HOUR) - 1):
        now[0] += HOUR
        assert tidying_up.take() == []
    with Writer(uploads, old) as writer:
        writer.write(b"x")
        writer.commit()
    now[0] += HOUR
    assert tidying_up.take() == [], "it goes on"
    for _ in range(int(tidying.KEPT / HOUR) - 1):
        now[0] += HOUR
        assert Tidying.take(tidying_up) == []
    now[0] += HOUR
    assert tidying_up.take() == ["x"]
    assert uploads.all() == ()


def test_hours_are_added_up_across_restarts_and_a_clock_that_jumps_counts_as_one_look(uploads):
    made(uploads)
    for _ in range(int(tidying.KEPT / HOUR)):
        now = [0.0]
        tidying_up = Tidying(uploads, lambda now=now: now[0])
        now[0] += 400 * DAY
        removed = tidying_up.take()
    assert removed == ["x"]


def test_one_that_is_being_written_is_not_removed(uploads):
    identifier = made(uploads)
    uploads.content(identifier).with_name("idle").write_text(str(int(tidying.KEPT)))
    with Writer(uploads, identifier):
        assert Tidying(uploads).take() == []
    assert Tidying(uploads).take() == ["x"]


def test_what_a_crash_left_of_making_or_removing_one_is_swept_away(uploads):
    identifier = made(uploads)
    (uploads.root / ".0123456789abcdef").mkdir()
    uploads.sweep()
    assert [path.name for path in uploads.root.iterdir()] == [identifier]


def test_bytes_beyond_the_durable_offset_are_not_believed(uploads):
    """After a power cut a file may be longer than what was written to the disk."""
    identifier = made(uploads)
    with Writer(uploads, identifier) as writer:
        writer.write(b"abc")
        writer.commit()
        writer.write(b"def")
    assert uploads.content(identifier).read_bytes() == b"abc", "given back"
    with uploads.content(identifier).open("ab") as file:
        file.write(b"\0\0\0")
    with Writer(uploads, identifier) as writer:
        assert writer.at == 3
        writer.write(b"defghij")
        writer.commit()
    assert uploads.content(identifier).read_bytes() == b"abcdefghij"


def test_a_link_in_place_of_the_file_is_not_followed(uploads, tmp_path):
    identifier, victim = made(uploads), tmp_path / "victim"
    victim.write_bytes(b"precious")
    uploads.content(identifier).unlink()
    uploads.content(identifier).symlink_to(victim)
    with pytest.raises(Exception, match="links are not followed"):
        Writer(uploads, identifier)
    assert victim.read_bytes() == b"precious"


# --- the process ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_between_and_in_the_middle_of_chunks_nothing_acknowledged_is_lost(tmp_path):
    """20 times, by SIGKILL; what is sent again is at most the chunk that was under way."""
    state, dice, sent = tmp_path / "state", random.Random(9), 0  # noqa: S311  (no secret)
    data = dice.randbytes(6 << 20)
    Settings(state).state_dir.mkdir(mode=0o700)
    api = ApiProcess(state, api_process.environment(tmp_path), tmp_path)
    try:
        identifier, acknowledged, kills = announce(api.client, data)["id"], 0, 0
        while acknowledged < len(data):
            killer = threading.Timer(dice.uniform(0, 0.02), os.kill, (api.process.pid, signal.SIGKILL))
            doomed = kills < 20
            if doomed:
                killer.start()
            chunk = data[acknowledged : acknowledged + 300_000]
            try:
                answer = put(api.client, identifier, acknowledged, chunk)
                assert answer.status == 204
                acknowledged = int(answer.headers["upload-offset"])
            except OSError:
                pass
            sent += len(chunk)
            if doomed:
                kills += 1
                killer.join()
                api.end(signal.SIGKILL)
                api = ApiProcess(state, api_process.environment(tmp_path), tmp_path)
                offset = shown(api.client, identifier).json["offset"]
                assert offset >= acknowledged
                acknowledged = offset
        assert Uploads(state).content(identifier).read_bytes() == data
        assert sent <= len(data) + 20 * 300_000
    finally:
        api.end()


@pytest.mark.slow
def test_the_memory_of_the_api_does_not_grow_with_what_is_uploaded(tmp_path):
    api = ApiProcess(tmp_path / "state", api_process.environment(tmp_path), tmp_path)
    try:
        data = bytes(64 << 20)
        identifier = announce(api.client, data)["id"]
        send(api.client, identifier, data[: 8 << 20], CHUNK)
        before = resident(api)
        send(api.client, identifier, data, CHUNK)
        assert resident(api) - before < 4 * 1024
    finally:
        api.end()


def resident(api):
    """KiB."""
    with open(f"/proc/{api.process.pid}/status") as status:
        (found,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
    return found
