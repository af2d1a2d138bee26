"""Facts are asked once, checks look at them, and nothing that goes wrong with one ends another."""

import gc
import threading
import weakref

import pytest

from kelvin_provision.check_result import CheckStatus, error, failing, ok, warning
from kelvin_provision.checks.runner import Check, Fact, run_checks
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import ClusterUnreachable, Interrupted, UsageRefused
from kelvin_provision.queries.checks import ChecksResult


def check(name, look, *needs):
    return Check(name, name.title(), f"because of {name}", look, needs)


def away():
    raise ClusterUnreachable("the cluster does not answer", hint="systemctl status k3s")


def marks(lines):
    return [(line.id, line.status.value, line.text) for line in lines]


def test_a_fact_is_asked_once_however_many_look_at_it():
    asked = []
    fact = Fact(lambda: asked.append(1) or len(asked))
    lines = run_checks([check("a", lambda n: [ok(f"{n}")], "n"), check("b", lambda n: [ok(f"{n}")], "n")], {"n": fact})
    assert (marks(lines), asked) == ([("a", "ok", "1"), ("b", "ok", "1")], [1])


def test_a_fact_that_nobody_needs_is_not_asked():
    facts = {"n": Fact(away), "m": Fact(lambda: 1)}
    checks = [check("a", lambda n: [ok("never")], "n"), check("b", lambda m: [ok("seen")], "m")]
    assert marks(run_checks(checks, facts, skip=["a"])) == [("a", "skipped", "skipped by --skip"), ("b", "ok", "seen")]


def test_facts_are_gone_when_all_checks_have_looked():
    class Answer:
        def unreachable(self):
            raise ClusterUnreachable("away")

    kept = []

    def asked():
        answer = Answer()
        kept.append(weakref.ref(answer))
        return answer

    answer = Fact(asked)
    facts = {"answer": answer, "error": Fact(lambda: answer().unreachable())}
    gc.collect()
    gc.disable()
    try:
        run_checks([check("a", lambda _: [ok("seen")], "answer"), check("b", lambda _: [], "error")], facts)
        assert [each() for each in kept] == [None]
    finally:
        gc.enable()


def test_what_cannot_be_asked_is_one_error_and_the_others_that_need_it_point_there():
    cluster = Fact(away)
    facts = {"cluster": cluster, "plan": Fact(cluster), "disk": Fact(lambda: 7)}
    checks = [
        check("cluster", lambda one: [ok("never")], "cluster"),
        check("disk", lambda free: [ok(f"{free} free")], "disk"),
        check("plan", lambda one: [ok("never")], "plan"),
    ]
    lines = run_checks(checks, facts)
    assert marks(lines) == [
        ("cluster", "error", "the cluster does not answer"),
        ("disk", "ok", "7 free"),
        ("plan", "skipped", "skipped: see cluster"),
    ]
    assert (shell_line(lines[0].hint), lines[0].why) == ("systemctl status k3s", "because of cluster")


def test_a_bug_of_ours_is_a_line_that_says_where_and_the_others_go_on():
    lines = run_checks([check("a", lambda: [1 / 0]), check("b", lambda: [ok("fine")])], {})
    assert lines[0].status is CheckStatus.ERROR
    assert lines[0].text.startswith("this check has a bug: ZeroDivisionError: division by zero (test_runner.py, line ")
    assert marks(lines)[1] == ("b", "ok", "fine")


def test_a_check_may_have_several_lines_each_with_its_workload():
    lines = run_checks([check("a", lambda: [error("x", "do this", "pump"), warning("y", name="fan")])], {})
    assert [(line.name, line.status.value, shell_line(line.hint)) for line in lines] == [
        ("pump", "error", "do this"),
        ("fan", "warning", ""),
    ]
    assert ChecksResult(lines).to_json(shell_line)["checks"][0] == {
        "id": "a", "title": "A", "status": "error", "workload": "pump", "found": "x", "why": "because of a", "next": "do this",
    }  # fmt: skip


def test_warnings_fail_only_when_they_are_to():
    lines = run_checks([check("a", lambda: [warning("w")]), check("b", lambda: [error("e")])], {})
    assert [line.id for line in failing(lines, strict=False)] == ["b"]
    assert [line.id for line in failing(lines, strict=True)] == ["a", "b"]


def test_an_unknown_id_is_refused_with_the_nearest():
    with pytest.raises(UsageRefused, match="unknown check clok; did you mean clock"):
        run_checks([check("clock", list)], {}, skip=["clok"])


def test_a_signal_ends_it_while_somebody_is_still_waited_for():
    over = threading.Event()
    with pytest.raises(Interrupted, match="nothing was changed"):
        run_checks([check("a", lambda n: [], "n")], {"n": Fact(over.wait)}, stop=lambda: True)
    over.set()
