"""On a box that nothing was done on, people are told what to type; scripts see no difference."""

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from tests.kit.cli import run


def listed(tmp_path, *more):
    return run("workloads", "list", "--state-dir", str(tmp_path), *more)


def test_the_first_list_says_what_comes_next(tmp_path):
    result = listed(tmp_path)
    result.check(stdout="")
    assert result.stderr == (
        "No workloads found.\n hint: kelvin-provision config set registry HOST[:PORT]\n       kelvin-provision workloads deploy -f REQUEST.json\n"
    )


def test_with_a_registry_only_the_deploy_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    assert listed(tmp_path).stderr == "No workloads found.\n hint: kelvin-provision workloads deploy -f REQUEST.json\n"


def test_scripts_hear_nothing_of_it(tmp_path):
    assert listed(tmp_path, "--json").stderr == ""
    assert listed(tmp_path, "-o", "name").stderr == ""
    assert listed(tmp_path, "--quiet").stderr == ""


def test_a_box_with_a_past_needs_no_first_steps(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        history.record(ledger, Entry("2026-01-02T03:04:05Z", "anna", "undeploy", "pump", 1, "done"))
    assert listed(tmp_path).stderr == "No workloads found.\n"
