"""GET /metrics: what Prometheus reads, checked with its own parser; every number is that of the box."""

from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kelvin_provision import timestamps
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.api.routes import monitoring
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger.history import history
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.spec.enums import State
from tests.kit.api import serving
from tests.kit.box import Box


def numbers(answer):
    """Every sample by its name and its state; the parser refuses what is no metric."""
    assert (answer.status, answer.headers["content-type"]) == (200, monitoring.MEDIA)
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation and family.type == "gauge" for family in families)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name.removeprefix("kelvin_provision_"), *sample.labels.values()): sample.value for sample in samples}


def test_workloads_by_state_the_agent_the_disk_and_the_last_apply(box, api):
    shown = numbers(api.ask("GET", "/metrics"))
    assert {state: shown["workloads", state.value] for state in State} == dict.fromkeys(State, 0) | {State.RUNNING: 2, State.STAGED: 1}
    assert [shown["staged_versions", state] for state in ("received", "downloading", "ready", "failed")] == [0, 0, 2, 0]
    assert (shown["agent_alive",], shown["pending_orders",], shown["download_bytes",], shown["download_rate_bytes",]) == (0, 0, 0, 0)
    assert 0 < shown["disk_free_bytes",] <= shown["disk_size_bytes",]
    assert shown["last_apply_success",] == 1
    applied = max(entry.time for entry in history(box.ledger) if entry.action == "apply")
    assert shown["last_apply_timestamp_seconds",] == timestamps.parse(applied).timestamp()


def test_it_follows_the_ledger_and_the_agent(box, api):
    assert numbers(api.ask("GET", "/metrics"))["workloads", "running"] == 2
    box.stop("fan")
    box.cluster.broken["pump"] = "it crashes"
    with pytest.raises(Exception, match="pump"):
        box.command_apply("pump")
    with exclusive(process.lock_path(box.settings.state_dir), command="agent run"):
        shown = numbers(api.ask("GET", "/metrics"))
    assert (shown["agent_alive",], shown["last_apply_success",], shown["workloads", "stopped"]) == (1, 0, 1)
    assert box.cluster.calls, "the cluster was asked by the apply"
    before = len(box.cluster.calls)
    numbers(api.ask("GET", "/metrics"))
    assert len(box.cluster.calls) == before, "and never by the API"


def test_of_an_empty_box_there_is_no_apply_and_a_budget_where_one_is_set(tmp_path):
    box = Box(tmp_path / "state")
    box.settings = type(box.settings)(**vars(box.settings) | {"download": DownloadSettings(budget=1 << 30)})
    with closing(box), serving(box) as api:
        shown = numbers(api.ask("GET", "/metrics"))
    assert (shown["download_budget_bytes",], shown["download_budget_used_bytes",]) == (1 << 30, 0)
    assert ("last_apply_success",) not in shown
    assert sum(value for name, value in shown.items() if name[0] == "workloads") == 0


def test_from_another_machine_it_needs_a_token(quiet, monkeypatch):
    monkeypatch.setattr("kelvin_provision.api.services.is_loopback", lambda address: False)
    answer = quiet.ask("GET", "/metrics")
    assert (answer.status, answer.error["name"]) == (401, "login-required")
    assert quiet.get("/metrics").status == 200
    assert quiet.get("/metrics?name=x").status == 400
