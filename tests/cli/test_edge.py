"""A value or an error becomes text and a number in one place."""

import json

import pytest

from kelvin_provision.cli.frame import edge
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.edge import Cancelled
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Item, Report, Table
from kelvin_provision.errors import ClusterUnreachable, ConfirmationNeeded, NotReady
from tests.kit.cli import captured

ITEMS = Report(
    "apply", items=(Item("workload", "motor", "running", "revision 2"), Item("workload", "pump", "running")), warnings=("old cluster name",)
)
TABLE = Report(
    "list",
    table=Table(
        ("name", "state", "title"), [("motor", "Running", "Motor")], frozenset({"title"}), "No workloads found.", "Total: 1 workload"
    ),
)


def ended(body, *, terminal=False, encoding="utf-8", **chosen):
    return captured(lambda: edge.run(Session(**chosen), "apply", body), terminal=terminal, encoding=encoding)


def raising(error):
    def body():
        raise error

    return body


def test_items_are_lines_and_warnings_go_to_stderr():
    result = ended(lambda: ITEMS)
    assert result.exit_code == 0
    assert result.stdout == "workload motor: running, revision 2\nworkload pump: running\n"
    assert result.stderr == "warning: old cluster name\n"


def test_quiet_leaves_only_the_answer():
    assert ended(lambda: ITEMS, quiet=True).stderr == ""
    assert ended(lambda: TABLE, quiet=True).stderr == ""
    assert ended(raising(NotReady("motor is not ready")), quiet=True).stderr.startswith("error: motor is not ready\n")


def test_names_are_one_a_line_and_nothing_else():
    assert ended(lambda: ITEMS, output=Output.NAME).stdout == "motor\npump\n"
    assert ended(lambda: Report("list", names=("a", "b"), text="long"), output=Output.NAME).stdout == "a\nb\n"


def test_a_table_is_the_answer_and_its_footer_conversation():
    result = ended(lambda: TABLE)
    assert (result.stdout, result.stderr) == ("NAME   STATE\nmotor  Running\n", "Total: 1 workload\n")
    assert ended(lambda: TABLE, output=Output.WIDE).stdout == "NAME   STATE    TITLE\nmotor  Running  Motor\n"
    empty = ended(lambda: Report("list", table=Table(("name",), [], empty="No workloads found.")))
    assert (empty.stdout, empty.stderr) == ("", "No workloads found.\n")


def test_nothing_to_do_is_said():
    result = ended(lambda: Report("apply"))
    result.check(stdout="", stderr="Nothing to do.\n")


def test_json_is_exactly_one_document_and_carries_the_warnings():
    result = ended(lambda: ITEMS, output=Output.JSON)
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "schema": 1,
        "command": "apply",
        "status": "success",
        "items": [
            {"kind": "workload", "name": "motor", "outcome": "running", "detail": "revision 2"},
            {"kind": "workload", "name": "pump", "outcome": "running", "detail": ""},
        ],
        "warnings": ["old cluster name"],
    }


def test_a_document_of_the_platforms_shape_keeps_it_and_its_warnings_go_to_stderr():
    result = ended(lambda: Report("list", document={"data": [], "pagination": {}}, warnings=("seen an hour ago",)), output=Output.JSON)
    assert json.loads(result.stdout) == {"data": [], "pagination": {}}
    assert result.stderr == "warning: seen an hour ago\n"


def test_json_keeps_its_signs_where_the_stream_can_and_escapes_them_where_it_cannot():
    report = Report("show", document={"title": "Grüße"})
    assert ended(lambda: report, output=Output.JSON).stdout == '{\n  "title": "Grüße"\n}\n'
    assert ended(lambda: report, output=Output.JSON, encoding="ascii").stdout == '{\n  "title": "Gr\\u00fc\\u00dfe"\n}\n'


def test_the_exit_code_of_a_report_is_kept():
    assert ended(lambda: Report("check", text="two findings", exit_code=3)).exit_code == 3


ERROR = ClusterUnreachable("k3s does not answer", hint="systemctl status k3s", evidence=["connection refused", "last seen 3m ago"])


def test_an_error_is_a_sentence_its_evidence_and_a_next_step():
    result = ended(raising(ERROR))
    result.check(exit_code=69, stdout="")
    assert result.stderr == "error: k3s does not answer\n  connection refused\n  last seen 3m ago\n hint: systemctl status k3s\n"


def test_an_error_in_json_is_the_one_document_on_stdout():
    result = ended(raising(ERROR), output=Output.JSON)
    result.check(exit_code=69, stderr="")
    assert json.loads(result.stdout) == {
        "status": "error",
        "error": {
            "code": "cluster-unreachable",
            "message": "k3s does not answer",
            "hint": "systemctl status k3s",
            "evidence": ["connection refused", "last seen 3m ago"],
        },
    }


def test_ctrl_c_is_130():
    result = ended(raising(KeyboardInterrupt()))
    result.check(exit_code=130, stderr="error: stopped by a signal\n")
    assert json.loads(ended(raising(KeyboardInterrupt()), output=Output.JSON).stdout)["error"]["code"] == "interrupted"


def test_our_bug_is_70_and_shows_where_only_when_asked():
    result = ended(raising(ZeroDivisionError("division by zero")))
    result.check(exit_code=70, stdout="")
    assert result.stderr == "error: ZeroDivisionError: division by zero\n hint: run it again with -v and report the output\n"
    told = ended(raising(ZeroDivisionError("division by zero")), verbose=True, output=Output.JSON)
    assert told.stderr.startswith("apply:\nTraceback (most recent call last):\n")
    assert json.loads(told.stdout)["error"]["code"] == "our-bug"


def test_what_a_container_says_does_not_drive_the_terminal():
    result = ended(raising(NotReady("bad \x1b[2J name", evidence=["\x9b31m"], hint="look")))
    assert result.stderr == "error: bad \\x1b[2J name\n  \\x9b31m\n hint: look\n"


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert ended(raising(NotReady("no")), terminal=True).stderr.startswith("error: no\n")
    monkeypatch.delenv("NO_COLOR")
    assert ended(raising(NotReady("no")), terminal=True).stderr.startswith("\x1b[31merror:\x1b[0m no\n")
    assert ended(raising(NotReady("no")), terminal=True, no_color=True).stderr.startswith("error: no\n")
    monkeypatch.setenv("TERM", "dumb")
    assert ended(raising(NotReady("no")), terminal=True).stderr.startswith("error: no\n")


def asked(answer, *, terminal=True, **chosen):
    def body():
        confirm("this will remove motor with all local data", yes=False, goes=["motor", "pump"])
        return Report("undeploy", text="gone")

    return captured(lambda: edge.run(Session(**chosen), "undeploy", body), stdin=answer, terminal=terminal)


QUESTION = "  motor\n  pump\nthis will remove motor with all local data\nContinue? [y/N] "


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_yes_goes_on(answer):
    result = asked(answer)
    result.check(stdout="gone\n", stderr=QUESTION)


@pytest.mark.parametrize("answer", ["n\n", "\n", "yeah\n"])
def test_anything_else_cancels_with_an_exit_code_of_its_own(answer):
    result = asked(answer)
    result.check(exit_code=130, stdout="", stderr=QUESTION + "Cancelled.\n")


def test_the_end_of_input_cancels():
    assert asked("").stderr == QUESTION + "\nCancelled.\n"


def test_a_cancelled_command_is_one_document_too():
    result = asked("n\n", output=Output.JSON)
    assert result.exit_code == 130
    assert json.loads(result.stdout) == {
        "status": "cancelled",
        "message": "nothing was changed",
        "hint": "add --yes to confirm",
    }


def test_without_a_terminal_nobody_is_asked_and_nothing_is_done():
    result = asked("y\n", terminal=False)
    result.check(exit_code=2, stdout="")
    assert result.stderr == ("error: this will remove motor with all local data\n  motor\n  pump\n hint: add --yes to confirm\n")


def test_the_flag_yes_needs_no_terminal():
    confirm("this will remove motor", yes=True)


def test_the_errors_of_confirm_are_what_they_are():
    assert (ConfirmationNeeded.exit_code, issubclass(Cancelled, Exception)) == (2, True)
