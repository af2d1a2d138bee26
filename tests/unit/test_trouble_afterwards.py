"""What follows a change may fail: images are freed, what runs is looked at, the agent is woken. The change is done, and that is its result."""

import errno
import json
import os

import pytest

from kelvin_provision.errors import ApplyFailed, HookFailed, NoSpace, UndoFailed
from kelvin_provision.hooks.folder import HookFolder
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.store import Store
from tests.kit.box import two_versions

ERRNOS = [errno.EIO, errno.EACCES, errno.EDQUOT, errno.ENOMEM, errno.ESTALE, errno.EROFS, errno.ENOSPC]
VERBS = ("apply", "rollback", "undeploy", "start", "stop")
NOT_FREED = "images that no version needs have not been removed yet: {why}"
NOT_RECORDED = "the new state of the workloads was not recorded: {why}"
REQUEST = {
    "name": "b", "title": "b", "app_name": "b", "app_version": "1.0.0", "staged": True, "instantly_apply": False,
    "payload": {"image": {"uri": "r.io/b:1.0.0"}, "spec_version": "5.0.0", "type": "docker", "name": "b", "title": "b", "description": "b", "version": "1.0.0"},
}  # fmt: skip


@pytest.fixture
def box(copy_of):
    return copy_of(two_versions)


def prepared(box, verb):
    if verb == "apply":
        box.deploy("a", version="3.0.0")
        box.turn()
    elif verb == "start":
        box.stop("a")
    box.deploy("old")
    box.ledger.drop_staged("old")  # so that there is something to free


def failing(number):
    def fails(*_, **__):
        raise OSError(number, os.strerror(number), "/x")

    return fails


@pytest.mark.slow
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("verb", VERBS)
def test_a_change_that_was_done_succeeds_whatever_the_box_answers_afterwards(box, monkeypatch, verb, number):
    prepared(box, verb)
    monkeypatch.setattr(Store, "collect_garbage", failing(number))
    result = box.run("workloads", verb, "a", "--json", *(["--yes"] if verb in {"undeploy", "stop"} else []))
    document = json.loads(result.stdout)
    assert (result.exit_code, document["status"]) == (0, "success"), result
    why = f"/x: {os.strerror(number).lower()}"
    assert document["warnings"].count(NOT_FREED.format(why=why)) == 1
    assert journal.unfinished(box.ledger) is None
    last = history.history(box.ledger, "a")[-1]
    assert (last.action, last.outcome) == (verb, "done")


@pytest.mark.parametrize("verb", ["apply", "rollback", "start", "stop"])
def test_an_observation_that_cannot_be_written_is_a_warning(box, monkeypatch, verb):
    prepared(box, verb)
    monkeypatch.setattr("kelvin_provision.usecases.operation.observe", failing(errno.EIO))
    result = box.run("workloads", verb, "a", *(["--yes"] if verb == "stop" else []))
    assert result.exit_code == 0
    assert f"warning: {NOT_RECORDED.format(why='/x: input/output error')}\n" in result.stderr


def test_a_bug_in_tidying_up_is_a_warning_too(box, monkeypatch):
    prepared(box, "apply")
    monkeypatch.setattr(Store, "collect_garbage", lambda *_, **__: {}["x"])
    result = box.run("workloads", "apply", "a")
    assert (
        result.exit_code,
        "warning: images that no version needs have not been removed yet: our bug: KeyError: 'x'\n" in result.stderr,
    ) == (
        0,
        True,
    )


def test_a_failure_is_told_as_such_whatever_the_box_answers_afterwards(box, monkeypatch):
    prepared(box, "apply")
    box.cluster.broken["a"] = "exit code 3"
    monkeypatch.setattr("kelvin_provision.usecases.operation.observe", failing(errno.ENOMEM))
    with pytest.raises((ApplyFailed, UndoFailed), match="exit code 3"):
        box.command_apply("a")


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_what_was_committed_is_done_though_the_ledger_takes_nothing_more(box, monkeypatch, verb):
    prepared(box, verb)

    def full(*_, **__):
        raise NoSpace("no space left for ledger.db")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "end", full)
        result = box.run("workloads", verb, "a")
    told = "warning: the change is done, but not yet recorded as finished; the next command or the agent completes it: no space left for ledger.db\n"
    assert (result.exit_code, told in result.stderr) == (0, True), result
    with box.operation():
        pass
    assert not box.interrupted
    running = box.ledger.workload("a").running
    assert running.spec.app_version == {"apply": "3.0.0", "rollback": "1.0.0"}[verb]
    assert history.history(box.ledger, "a")[-1].outcome == "done"


def test_what_the_ledger_refuses_before_the_point_of_no_return_is_a_failure(box, monkeypatch):
    prepared(box, "apply")

    def full(*_, **__):
        raise NoSpace("no space left for ledger.db")

    monkeypatch.setattr(journal, "commit", full)
    assert box.run("workloads", "apply", "a").exit_code == 1
    assert box.ledger.workload("a").running.spec.app_version == "2.0.0"


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_a_deploy_is_accepted_where_the_agent_cannot_be_started(box, number):
    class Broken:
        ensure = staticmethod(failing(number))
        survives_reboot = staticmethod(lambda settings: True)

    box.launcher = Broken()
    path = box.settings.state_dir.parent / "request.json"
    path.write_text(json.dumps(REQUEST))
    result = box.run("workloads", "deploy", str(path), "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["status"]) == (0, "success"), result
    (warning,) = [text for text in document["warnings"] if "agent" in text]
    assert warning == f"the agent could not be started, and the stored work waits for it (agent start): /x: {os.strerror(number).lower()}"
    assert "b" in box.ledger.names()


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_trouble_of_the_box_is_never_called_our_bug(box, monkeypatch, number):
    monkeypatch.setattr(Ledger, "readable", failing(number))
    result = box.run("workloads", "list")
    expected = {errno.EACCES: 77}.get(number, 73)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (expected, f"error: /x: {os.strerror(number).lower()}")


def test_a_hook_that_cannot_be_started_is_a_failed_hook(tmp_path, monkeypatch):
    hook = tmp_path / "post-apply"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    monkeypatch.setattr("kelvin_provision.hooks.process.subprocess.Popen", failing(errno.ENOMEM))
    monkeypatch.setattr("kelvin_provision.hooks.folder.refuse_untrusted", lambda hook: None)
    with pytest.raises(HookFailed, match="hook post-apply could not be started: cannot allocate memory"):
        HookFolder(tmp_path, 1.0).run("post-apply", {}, lambda event: None, lambda: False)
