"""The platform's command line, unmodified, deploys to a real Docker Engine and a real Kubernetes, over TLS: all that it has words for."""

import json
from pathlib import Path

import pytest

from tests.kit.api_process import api_of
from tests.kit.kelvin_cli import Kelvin
from tests.kit.real_box import docker_settings, kubernetes_settings
from tests.kit.servers.port443 import at_443, own_address
from tests.kit.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.registry, pytest.mark.timeout(600)]
BOXES = [
    pytest.param(docker_settings, id="docker", marks=pytest.mark.docker),
    pytest.param(kubernetes_settings, id="kubernetes", marks=[pytest.mark.kubernetes, pytest.mark.long]),
]
"""Each of its commands takes seconds of the processor, most of them for its own imports."""


@pytest.fixture
def kelvin(box, tmp_path):
    Path(box.environment["KELVIN_PROVISION_SITE_CONFIG"]).write_text(f"api: {{names: ['{own_address()}']}}\n")
    home = tmp_path / "home"
    home.mkdir()
    with api_of(box, "--listen", "0.0.0.0:0") as api, at_443(api.secure_port) as address:
        trusts = tmp_path / "ca.pem"
        trusts.write_text(box.run("api", "cert", "export-ca")[0])
        found = Kelvin(home, trusts)
        found.login(f"https://{address}")
        yield found


def app_files(box, home, version, method):
    """In its new format: of the app, only name and version are sent; what runs and how is in the runtime file."""
    app = {"spec_version": "5.0.0", "type": "docker", "name": box.app, "title": "A", "description": "A", "version": version}
    probe = {"readiness_probe": {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}}
    runtime = {"deployment_type": method, "system": {"health_check": probe}, "runtime": {"configuration": {"speed": 3}}}
    (home / "app.yaml").write_text(json.dumps(app))
    (home / "runtime.yaml").write_text(json.dumps(runtime))
    return "-f", "app.yaml", "-r", "runtime.yaml"


@pytest.mark.parametrize("box", BOXES, indirect=True)
def test_the_platforms_command_line_deploys_updates_stops_starts_and_undeploys(box, kelvin, tmp_path):
    home = tmp_path / "home"

    def becomes(*state):
        until(lambda: box.peek().get("pump") == state, 120, why=lambda: str(box.peek()))

    files = app_files(box, home, "1.0.0", "staged+instant-apply")
    deployed = kelvin.json("workload", "deploy", *files, "-c", "edge", "-n", "pump", "-t", "A pump")
    assert deployed == {
        "status": "deployed", "workload_name": "pump", "app_name": box.app, "app_version": "1.0.0", "cluster_name": "edge", "is_legacy": False,
    }  # fmt: skip
    becomes("1.0.0", "running", None)
    (listed,) = kelvin.json("workload", "list")["workloads"]
    assert (listed["name"], listed["app_version"], listed["status"]) == ("pump", "1.0.0", "running")
    shown = kelvin.json("workload", "show", "pump")
    assert (shown["title"], shown["runtime"]["configuration"], shown["download_status"]) == ("A pump", {"speed": 3}, "ready")

    kelvin.json("workload", "update", "pump", *app_files(box, home, "2.0.0", "staged-only"))
    becomes("1.0.0", "running", "ready")
    box.run("workloads", "apply", "-n", "pump")  # it has no word for that
    becomes("2.0.0", "running", None)
    assert kelvin.json("workload", "logs", "pump")["has_logs"] in {True, False}

    kelvin.json("workload", "stop", "pump", "-y")
    becomes("2.0.0", "stopped", None)
    kelvin.json("workload", "start", "pump")
    becomes("2.0.0", "running", None)
    kelvin.json("workload", "undeploy", "pump", "-y")
    until(lambda: not box.peek(), 120, why=lambda: str(box.peek()))
