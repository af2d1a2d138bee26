"""Questions that the agent answers on its socket: logs, for which the cluster must be asked."""

import contextlib
import json
import os
import resource
import socket
import stat
import threading
import time
from dataclasses import replace

import pytest

from kelvin_provision import questions
from kelvin_provision.agent.questions import answering
from kelvin_provision.agent.questions.answering import socket_path
from kelvin_provision.agent.questions.asking import ask
from kelvin_provision.errors import AgentSilent, ClusterUnreachable
from tests.kit.agent_thread import agent, answers, serving_beside_agent
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.slow

LOGS = "/api/v4/workloads/{}/logs/get"


@pytest.fixture
def asked(box):
    """The API, and an agent beside it that has other connections."""
    box.cluster.log_lines["pump"] = ["starting", "42 rpm"]
    with serving_beside_agent(box) as api:
        yield api


def say(box, data):
    """What the socket answers to these bytes."""
    with socket.socket(socket.AF_UNIX) as connection, answering.short_path(socket_path(box.settings.state_dir)) as path:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(data)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def test_logs_are_those_of_the_cluster_by_pod(asked):
    answer = asked.get(LOGS.format("pump"))
    (lines,) = answer.json["logs"].values()
    assert (answer.status, [line.partition(" ")[2] for line in lines]) == (200, ["starting", "42 rpm"])
    (last,) = asked.get(LOGS.format("pump") + "?tail_lines=1&since_time=2020-01-01T00:00:00Z").json["logs"].values()
    assert [line.partition(" ")[2] for line in last] == ["42 rpm"]


def test_logs_of_before_the_last_restart_are_asked_for_by_name(box, asked):
    box.cluster.previous_log_lines["pump"] = ["out of memory"]
    (lines,) = asked.get(LOGS.format("pump") + "?previous=true").json["logs"].values()
    assert [line.partition(" ")[2] for line in lines] == ["out of memory"]
    answer = asked.get(LOGS.format("fan") + "?previous=1")
    assert (answer.status, answer.error["name"]) == (409, "log-missing")


@pytest.mark.parametrize(
    ("path", "status", "name"),
    [
        (LOGS.format("absent"), 404, "workload-unknown"),
        (LOGS.format("valve"), 409, "log-missing"),
        (LOGS.format("pump") + "?tail_lines=0", 400, "bad-query"),
        (LOGS.format("pump") + "?tail_lines=10001", 400, "bad-query"),
        (LOGS.format("pump") + "?since_time=yesterday", 400, "bad-query"),
        (LOGS.format("pump") + "?tail=1", 400, "bad-query"),
    ],
)
def test_what_has_no_log_says_why(asked, path, status, name):
    answer = asked.get(path)
    assert (answer.status, answer.error["name"]) == (status, name)


@contextlib.contextmanager
def no_descriptor_left():
    """For all of this process. Yields what frees some of them again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield lambda: [os.close(taken.pop()) for _ in range(len(taken))]
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_box_without_descriptors_is_answered_again_later(box):
    """EMFILE at the socket of the agent ended its thread for good."""
    ended = threading.Event()
    answered = answering.Answering(box.ctx, questions.answer, ended)
    thread = threading.Thread(target=answered.run)
    thread.start()
    try:
        until(lambda: answers(box.settings.state_dir))
        with socket.socket(socket.AF_UNIX) as asking, answering.short_path(socket_path(box.settings.state_dir)) as path:
            with no_descriptor_left() as free:
                asking.connect(path)
                time.sleep(0.5)
                assert thread.is_alive()
                free()
            asking.settimeout(PATIENCE)
            asking.sendall(b"{\n")
            assert b"this is not a question" in asking.recv(65536)
    finally:
        ended.set()
        answered.wake()
        thread.join(PATIENCE)


def test_connections_to_the_agent_are_bounded_and_told_so(box):
    with agent(box), contextlib.ExitStack() as stack, answering.short_path(socket_path(box.settings.state_dir)) as path:
        for _ in range(answering.MOST):
            silent = stack.enter_context(socket.socket(socket.AF_UNIX))
            silent.connect(path)
        until(lambda: b"answers 2 questions already" in say(box, b""))
        time.sleep(0.05)
        assert len([thread for thread in threading.enumerate() if thread.name == "answering"]) <= answering.MOST
    assert answering.AT_ONCE < answering.MOST


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_socket_is_never_wider_however_wide_the_umask_is(tmp_path, mask):
    """It was made as wide as the umask allows, and narrowed a moment later."""
    before = os.umask(mask)
    try:
        with socket.socket(socket.AF_UNIX) as listener, answering.short_path(tmp_path / "agent.sock") as address:
            answering._bind_private(listener, tmp_path, address)
            assert stat.S_IMODE((tmp_path / "agent.sock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_folder_that_others_may_write_gets_no_socket_and_the_agent_says_so(box, mode):
    box.settings.state_dir.chmod(mode)
    ended = threading.Event()
    thread = threading.Thread(target=box.work, kwargs={"stop": ended.is_set, "answer": questions.answer})
    thread.start()
    try:
        until(lambda: any("cannot ask this agent" in str(event) for event in box.said))
    finally:
        ended.set()
        thread.join(PATIENCE)
    assert not socket_path(box.settings.state_dir).exists()
    assert any(f"{box.settings.state_dir}: others may write this folder" in str(event) for event in box.said)


def test_an_agent_that_has_ended_keeps_nothing_open_in_the_state_directory(box):
    """Its filesystem can be unmounted at once."""
    with agent(box):
        pass
    assert [thread.name for thread in threading.enumerate() if thread.name == "questions"] == []


def test_the_socket_is_for_its_owner_alone_and_gone_with_the_agent(box):
    path = socket_path(box.settings.state_dir)
    with agent(box):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    path.touch()
    with agent(box):
        assert stat.S_ISSOCK(path.stat().st_mode), "what an agent left that was killed is replaced"


@pytest.mark.parametrize(
    "data", [b"{\n", b"7\n", b'{"question": 7, "arguments": {}}\n', b"[" * 5000 + b"\n", b'{"question": "logs"}\n', b"\xff\n"]
)
def test_what_is_no_question_is_refused(box, data):
    with agent(box):
        assert json.loads(say(box, data))["error"]["code"] == "usage"
        assert json.loads(say(box, b'{"question": "secrets", "arguments": {}}\n'))["error"]["message"].startswith(
            "the agent is of another version"
        )


def test_who_says_nothing_or_too_much_gets_no_answer(box):
    with agent(box):
        with contextlib.suppress(ConnectionError):
            assert say(box, b"x" * (answering.LONGEST + 1)) == b""
        with socket.socket(socket.AF_UNIX) as silent, answering.short_path(socket_path(box.settings.state_dir)) as path:
            silent.connect(path)
        assert b"no question" in say(box, b'{"question": "x", "arguments": {}}\n')


def test_a_question_that_trickles_is_cut_off_however_busy_it_looks(box, monkeypatch):
    monkeypatch.setattr(answering, "TIME", 0.5)
    with agent(box), socket.socket(socket.AF_UNIX) as slow, answering.short_path(socket_path(box.settings.state_dir)) as path:
        slow.connect(path)
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            while time.monotonic() - began < PATIENCE:
                slow.sendall(b" ")
                time.sleep(0.1)
        assert time.monotonic() - began < PATIENCE, "it is closed after half a second"


def test_a_third_question_is_told_to_come_again_and_a_bug_is_contained(box):
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(ctx, question, arguments):
        if question == "bug":
            raise ZeroDivisionError("by us")
        begun.release()
        go.wait(PATIENCE)
        return question

    def ask(question):
        return json.loads(say(box, json.dumps({"question": question, "arguments": {}}).encode() + b"\n"))

    with agent(box, slow):
        assert ask("bug")["error"]["code"] == "our-bug"
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask("slow"))) for _ in range(answering.AT_ONCE)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert begun.acquire(timeout=PATIENCE)
        assert ask("slow")["error"]["code"] == "locked"
        go.set()
        for thread in threads:
            thread.join()
        assert answers == [{"result": "slow"}] * answering.AT_ONCE


def test_a_question_that_takes_too_long_is_ended(box, monkeypatch):
    monkeypatch.setattr(answering, "TIME", 0.3)

    def endless(ctx, question, arguments):
        while not ctx.stop():
            time.sleep(0.01)
        return "stopped"

    with agent(box, endless):
        assert json.loads(say(box, b'{"question": "x", "arguments": {}}\n')) == {"result": "stopped"}


class NoAgent:
    def ensure(self, settings):
        return ()

    def survives_reboot(self, settings):
        return True


def test_without_an_agent_the_answer_is_503(box, monkeypatch):
    monkeypatch.setattr("kelvin_provision.api.work.asking.PATIENCE", 0.2)
    box.launcher = NoAgent()
    with serving(box) as api:
        answer = api.get(LOGS.format("pump"))
    assert (answer.status, answer.error["name"]) == (503, AgentSilent.code)
    assert answer.error["solution"] == "kelvin-provision agent restart"


def test_a_cluster_that_does_not_answer_is_503(box):
    other = type(box)(box.settings.state_dir, like=box)
    other.cluster = ClusterUnreachable("the cluster does not answer")
    with agent(other), serving(box) as api:
        answer = api.get(LOGS.format("pump"))
        assert (answer.status, answer.error["name"]) == (503, "cluster-unreachable")
    other.close()


def test_a_state_directory_may_be_deep(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener, answering.short_path(deep / "agent.sock") as path:
        listener.bind(path)
    assert (deep / "agent.sock").exists()


def test_an_agent_of_an_empty_box_waits_for_a_question_and_then_ends(tmp_path):
    """It was started for it; a job is one for as long as it works."""
    with contextlib.closing(Box(tmp_path / "state")) as box:
        box.timings = replace(box.timings, agent_linger=3.0)
        began, ended = time.monotonic(), []

        def live():
            box.work(lambda: False, until_empty=True, answer=lambda _ctx, question, _arguments: question)
            ended.append(time.monotonic() - began)

        thread = threading.Thread(target=live)
        thread.start()
        until(lambda: answers(box.settings.state_dir))
        asked = time.monotonic() - began
        assert ask(box.settings.state_dir, "here", {}) == "here"
        thread.join(PATIENCE)
        assert asked + 3.0 <= ended[0]
