"""The platform's published clients, unmodified, do the whole job on a real Docker Engine and on a real Kubernetes.

Each client has a workload of its own and makes every call; what takes time happens to both workloads at once.
"""

import contextlib
import json
from pathlib import Path

import pytest

from tests.kit.api_process import api_of
from tests.kit.images import SERVE, program, push
from tests.kit.official_clients import NAMES, SECURE, official
from tests.kit.servers.port443 import at_443, own_address
from tests.kit.waiting import until

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]


class Owner:
    """A client, and the workload that it looks after."""

    def __init__(self, client, box, api, name):
        self.api = api
        self.call = client.call
        self.box = box
        self.name = name

    def deploy(self, version):
        body = json.loads(Path(self.box.request(self.name, version)).read_text())
        del body["deployment_type"]
        more = {"title": "A pump", "cluster_name": "edge", "staged": True, "instantly_apply": False, "source": "krn:user:demo@kelvin.ai"}
        return self.call("deploy_workload", data=body | more)

    @property
    def state(self):
        """What runs, and what is staged."""
        document = self.call("get_workload", workload_name=self.name)
        staged = document["staged"]
        return document["status"]["state"], document["app_version"], staged and (staged["app_version"], staged["status"]["state"])

    def names(self, **filters):
        return [item["name"] for item in self.call("list_workloads", **filters)]


@pytest.fixture
def owners(box, tmp_path):
    """One for each version of the client; those that want TLS have it."""
    Path(box.environment["KELVIN_PROVISION_SITE_CONFIG"]).write_text(f"api: {{names: ['{own_address()}']}}\n")
    with api_of(box, "--listen", "0.0.0.0:0") as api, at_443(api.secure_port) as address, contextlib.ExitStack() as stack:
        trusts = tmp_path / "ca.pem"
        trusts.write_text(box.run("api", "cert", "export-ca")[0])
        places = {version: (f"https://{address}", trusts) if version in SECURE else (api.url, None) for version in NAMES}
        clients = {version: official(version, url, tmp_path, trusts=ca) for version, (url, ca) in places.items()}
        yield [Owner(stack.enter_context(client), box, api, f"pump-{version.replace('.', '-')}") for version, client in clients.items()]


def test_published_clients_stage_list_apply_stop_start_and_undeploy(box, owners):
    push(box.registry, box.app, "1.1.0", program(f"echo the words of 1.1.0; {SERVE}", {"www/index.html": b"1.1.0\n"}))

    def all_are(*state):
        until(lambda: all(owner.state == state for owner in owners), 240, why=lambda: str([owner.state for owner in owners]))

    for owner in owners:
        deployed = owner.deploy("1.1.0")
        assert (deployed["name"], deployed["title"], deployed["status"]["state"]) == (owner.name, "A pump", "staged")
    all_are("staged", "1.1.0", ("1.1.0", "ready"))
    for owner in owners:
        assert owner.call("apply_workload", workload_names=[owner.name]) is None
    all_are("running", "1.1.0", None)
    for owner in owners:
        owner.deploy("2.0.0")
    all_are("running", "1.1.0", ("2.0.0", "ready"))

    for owner in owners:
        ((line,),) = owner.call("get_workload_logs", workload_name=owner.name, tail_lines=1)["logs"].values()
        assert line.endswith(" the words of 1.1.0")
    every = sorted(owner.name for owner in owners)
    for owner in owners:
        assert owner.names() == every
        assert owner.names(direction="desc", sort_by=["name"]) == every[::-1]
        assert owner.names(page_size=1, search=["PUMP"]) == every, "it follows the cursor"
        assert owner.names(staged=True, enabled=True, workload_name=[owner.name]) == [owner.name]
        assert owner.names(download_statuses=["failed"]) == []
        configuration = owner.call("get_workload_configuration", workload_name=owner.name)["configuration"]
        assert configuration == {"speed": 3}

    first, *others = owners
    for question, key in (("diff", "workloads"), ("check", "checks")):
        answer = first.api.client.get(f"/edge/v1/workloads/{first.name}/{question}")
        assert (answer.status, bool(answer.json[key])) == (200, True), answer.body
    first.call("apply_workload", workload_names=every)
    all_are("running", "2.0.0", None)
    for owner in owners:
        owner.call("stop_workload", workload_name=owner.name)
    all_are("stopped", "2.0.0", None)
    for owner in owners:
        owner.call("start_workload", workload_name=owner.name)
    all_are("running", "2.0.0", None)
    for owner in owners:
        changed = owner.call("update_workload_configuration", workload_name=owner.name, data={"configuration": {"speed": 4}})
        assert changed["configuration"] == {"speed": 4}
        assert owner.state[2][0] == "2.0.0", "a new revision, staged as the one before was"
        owner.call("undeploy_workload", workload_name=owner.name, staged=True)
    all_are("running", "2.0.0", None)
    first.call("undeploy_workload", workload_name=first.name)
    until(lambda: first.names() == [owner.name for owner in others], 240)
    assert box.states() == {owner.name: ("2.0.0", "running", None) for owner in others}
    for owner in owners:
        owner.call("logout")
