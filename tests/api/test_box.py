"""The box itself: its disks and images, its health, its settings, and the file for support. The agent is asked, or has a job done."""

import gzip
import http.client
import io
import json
import os
import re
import sys
import tarfile
import time
from pathlib import Path

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.agent.questions.asking import LARGEST, from_line
from kelvin_provision.agent.questions.jobs import Jobs
from kelvin_provision.api.work import asking
from kelvin_provision.bundles.inventories.reading import decode
from kelvin_provision.errors import AgentSilent, OurBug
from kelvin_provision.jobs import table as job_table
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.status import Verb
from tests.kit.agent_thread import agent
from tests.kit.api import serving
from tests.kit.openapi import valid
from tests.kit.waiting import PATIENCE, until

EDGE = "/edge/v1"


@pytest.fixture
def place(box, monkeypatch, tmp_path):
    """For the processes of jobs: Docker is the cluster, and does not answer."""
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "none.yaml"))
    return box


@pytest.fixture
def asked(place):
    """The API, and an agent beside it that answers and has jobs done."""
    other = type(place)(place.settings.state_dir, like=place)
    with agent(other, jobs=job_table.of_box(place.settings.state_dir, None)), serving(place) as api:
        yield api
    other.close()


def got(api, path, level=Level.READ, method="get"):
    """The answer, which is as the description says."""
    answer = api.ask(method.upper(), f"{EDGE}/{path}", token=api.as_level(level))
    assert answer.status in {200, 202}, answer.body
    valid(answer, f"{EDGE}/{path.partition('?')[0]}", method)
    return answer.json


def test_the_box_says_what_runs_on_it_without_an_agent(box, quiet):
    document = got(quiet, "box")
    assert (document["workloads"], document["agent"]) == (
        {"total": 3, "staged": 2, "states": {"running": 2, "staged": 1}},
        {"alive": False},
    )
    assert document["disk"]["total"] > document["disk"]["free"] > 0
    assert document["cluster"]["type"] == "fake"


def test_images_disk_and_what_a_prune_would_free_are_answered_by_the_agent(asked):
    assert {image["reference"] for image in got(asked, "images")["images"]} >= {"r.io/pump:1.0.0", "r.io/pump:2.0.0"}
    disk = got(asked, "disk")
    assert (disk["store"]["bytes"] > 3000, disk["store"]["prunable"], disk["filesystems"][0]["what"]) == (True, 0, "the state")
    assert got(asked, "images/prune?orphans=true")["images"] == []


def test_the_inventory_is_a_file_for_a_desk(asked):
    answer = asked.ask("GET", f"{EDGE}/images/inventory", token=asked.as_level(Level.READ))
    valid(answer, f"{EDGE}/images/inventory", "get")
    assert re.fullmatch(r'attachment; filename="[\w.-]+\.inventory\.json"', answer.headers["content-disposition"])
    found = decode(answer.body)
    assert {image.reference for image in found.images} >= {"r.io/pump:1.0.0", "r.io/pump:2.0.0"}
    assert found.layers


def test_a_prune_is_an_order_whose_note_says_what_was_freed(box, asked):
    box.ledger.drop_staged("valve")
    assert got(asked, "images/prune")["store_bytes"] > 3000
    assert asked.post(f"{EDGE}/images/prune", {"orphans": 1}).status == 400
    assert asked.post(f"{EDGE}/images/prune", {}, Level.DEPLOY).status == 403
    answers = [asked.post(f"{EDGE}/images/prune", {"orphans": True}) for _ in range(2)]
    valid(answers[0], f"{EDGE}/images/prune", "post")
    assert answers[0].json["order"]["id"] == answers[1].json["order"]["id"], "the same request again"
    until(lambda: orders.recent(box.ledger)[0].outcome)
    (order,) = orders.recent(box.ledger)
    assert (order.verb, order.names, order.outcome, order.actor) == (Verb.PRUNE, (), Outcome.DONE, "admin@127.0.0.1 via api")
    assert order.note.startswith("freed 3")
    assert got(asked, "images/prune")["store_bytes"] == 0


def test_a_word_is_explained_and_another_is_404(quiet):
    assert {"kind": "state", "word": "running"}.items() <= got(quiet, "explain")["words"][0].items() or got(quiet, "explain")["words"]
    answer = quiet.get(f"{EDGE}/explain/not-ready")
    assert (answer.status, answer.json["kind"], answer.json["exit_code"]) == (200, "error", 75)
    valid(answer, f"{EDGE}/explain/{{word}}")
    answer = quiet.get(f"{EDGE}/explain/not-redy")
    assert (answer.status, answer.error["name"]) == (404, "word-unknown")
    assert answer.error["solution"] == "kelvin-provision explain not-ready"


# --- jobs -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_doctor_settings_and_the_chain_of_the_history_are_jobs(asked):
    checks = {line["id"]: line["status"] for line in got(asked, "doctor")["checks"]}
    assert (checks["versions"], checks["state"], checks["cluster"]) == ("ok", "ok", "error")
    settings = {setting["key"]: setting for setting in got(asked, "settings", Level.ADMIN)["settings"]}
    assert settings["cluster.type"]["origin"] == "KELVIN_PROVISION_CLUSTER__TYPE"
    assert asked.get(f"{EDGE}/settings", Level.DEPLOY).status == 403
    verified = got(asked, "history/verify", method="post")
    assert verified["lines"] > 5
    assert len(verified["head"]) == 64


@pytest.mark.slow
def test_verified_images_are_told_line_by_line(box, asked):
    blob = max(box.store.layout.list_blobs(), key=lambda blob: blob.size)
    path = box.store.path(blob)
    path.chmod(0o600)
    path.write_bytes(bytes(blob.size))
    answer = asked.post(f"{EDGE}/images/verify", level=Level.OPERATE)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-json-stream")
    (line,) = [json.loads(line) for line in answer.body.splitlines()]
    (corrupt,) = line["result"]["corrupt"]
    assert (corrupt["digest"], corrupt["present"], len(corrupt["uses"])) == (blob.digest, True, 1)
    assert asked.post(f"{EDGE}/images/verify", level=Level.READ).status == 403


@pytest.mark.slow
def test_a_support_bundle_is_the_one_of_the_terminal(box, asked):
    answer = asked.post(f"{EDGE}/support-bundle")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/gzip")
    name = answer.headers["content-disposition"].partition('filename="')[2].removesuffix('.tar.gz"')
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(answer.body))) as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile(f"{name}/manifest.json"))
    assert {f"{name}/{file}" for file in ("versions.json", "workloads.json", "history.jsonl", "doctor.json")} <= set(names)
    assert manifest["schema"] == 1
    assert asked.post(f"{EDGE}/support-bundle", level=Level.DEPLOY).status == 403


def script(tmp_path, text):
    path = tmp_path / "job.py"
    path.write_text(f"import json, os, sys, time, threading\nos.read(0, 65536)\n{text}")
    return [sys.executable, str(path)]


LINE = "print(json.dumps({!r}), flush=True)\n"
END = "threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()\n"


@pytest.fixture
def doing(place, tmp_path):
    """The API, and an agent whose jobs are this script."""
    other = type(place)(place.settings.state_dir, like=place)
    own = Jobs(frozenset(job_table.JOBS), script(tmp_path, ""))

    def write(text):
        script(tmp_path, text)

    with agent(other, jobs=own), serving(place) as api:
        api.write, api.jobs = write, own
        yield api
    other.close()


def test_a_job_that_ends_without_a_result_is_no_whole_answer(doing, caplog):
    doing.write("")
    answer = doing.get(f"{EDGE}/doctor")
    assert (answer.status, answer.error["name"]) == (503, "agent-silent")
    doing.write(LINE.format({"progress": {"name": "x"}}) + LINE.format({"data": "aGVsbG8="}))
    with pytest.raises(http.client.IncompleteRead):
        doing.post(f"{EDGE}/support-bundle")
    assert "an answer was cut off: the agent ended" in caplog.text
    caplog.clear()


def test_an_error_of_a_job_has_a_status_and_later_it_is_the_last_line(doing):
    error = {
        "error": {
            "code": "locked",
            "message": "busy",
            "hint": {"action": "", "arguments": [], "names": [], "instruction": "wait", "note": "", "sudo": False, "system": False},
            "evidence": [],
        }
    }
    doing.write(LINE.format(error))
    answer = doing.post(f"{EDGE}/images/verify")
    assert (answer.status, answer.error["name"]) == (503, "locked")
    doing.write(LINE.format({"progress": {"done": 1, "total": 2}}) + LINE.format(error))
    answer = doing.post(f"{EDGE}/images/verify")
    first, last = [json.loads(line) for line in answer.body.splitlines()]
    assert (answer.status, first["progress"]["done"], last["errors"][0]["name"]) == (200, 1, "locked")


def test_a_line_of_the_agent_that_is_too_long_is_named_and_not_taken_whole(doing, monkeypatch):
    monkeypatch.setattr(asking, "LARGEST", 4096)
    doing.write(LINE.format({"result": "x" * 5000}))
    answer = doing.get(f"{EDGE}/doctor")
    assert (answer.status, answer.error["name"]) == (500, "our-bug")
    assert "the answer of the agent has more than" in answer.error["description"]
    doing.write(LINE.format({"progress": {"name": "x"}}) + LINE.format({"data": "x" * 5000}))
    with pytest.raises(http.client.IncompleteRead):
        doing.post(f"{EDGE}/support-bundle")


@pytest.mark.parametrize(("line", "error"), [(b"x" * LARGEST, OurBug), (b'{"result', AgentSilent)])
def test_half_a_line_of_the_agent_is_too_long_or_its_end(line, error):
    with pytest.raises(error):
        from_line(line)


@pytest.mark.slow
def test_of_each_job_there_is_one_at_a_time_and_who_hangs_up_ends_it(doing, tmp_path):
    doing.write(
        END
        + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        + LINE.format({"progress": {"name": "x"}})
        + "time.sleep(60)\n"
    )
    token = doing.as_level(Level.ADMIN)
    connection = http.client.HTTPConnection("127.0.0.1", doing.port, timeout=PATIENCE)
    connection.request("POST", f"{EDGE}/support-bundle", headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    assert response.status == 200
    answer = doing.post(f"{EDGE}/support-bundle")
    assert (answer.status, answer.error["name"]) == (503, "locked")
    assert "support-bundle" in answer.error["description"]
    pid = int((tmp_path / "pid").read_text())
    response.close()
    connection.close()
    until(lambda: not Path(f"/proc/{pid}").exists())
    until(lambda: not doing.jobs._running)


def test_a_job_ends_with_the_agent(place, tmp_path):
    other = type(place)(place.settings.state_dir, like=place)
    path = tmp_path / "pid"
    text = END + f"open({str(path)!r}, 'w').write(str(os.getpid()))\n" + LINE.format({"progress": {"name": "x"}}) + "time.sleep(60)\n"
    with serving(place) as api:
        with agent(other, jobs=Jobs(frozenset(job_table.JOBS), script(tmp_path, text))):
            connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)
            connection.request("POST", f"{EDGE}/support-bundle", headers={"Authorization": f"Bearer {api.as_level(Level.ADMIN)}"})
            assert connection.getresponse().status == 200
        until(lambda: not Path(f"/proc/{path.read_text()}").exists())
        connection.close()
    other.close()


def test_a_job_ends_when_its_input_does(place, tmp_path):
    """As when the agent is killed: the real one, in the middle."""
    began = time.monotonic()
    read, write = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [*job_table.of_box(place.settings.state_dir, None).command],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, read, 0), (os.POSIX_SPAWN_CLOSE, write), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    os.close(read)
    os.write(write, json.dumps({"question": "doctor", "arguments": {}}).encode() + b"\n")
    os.close(write)
    _, status = os.waitpid(pid, 0)
    assert (os.waitstatus_to_exitcode(status), time.monotonic() - began < PATIENCE) == (0, True)
