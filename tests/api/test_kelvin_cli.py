"""The platform's command line, unmodified, over TLS. No cluster is asked: what it orders is stored."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.usecases.api_certificate import authority_pem
from tests.kit.api import serving
from tests.kit.kelvin_cli import Kelvin
from tests.kit.servers.port443 import at_443, own_address

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_the_platforms_command_line_logs_in_lists_shows_stops_starts_and_undeploys(box, tmp_path):
    box.settings = replace(box.settings, api=ApiSettings(names=(own_address(),)))
    with serving(box, secure=True) as client, at_443(client.port) as address:
        trusts, home = tmp_path / "ca.pem", tmp_path / "home"
        home.mkdir()
        trusts.write_bytes(authority_pem(box.settings))
        kelvin = Kelvin(home, trusts)
        login = kelvin.login(f"https://{address}").stderr
        assert f"Logged in to https://{address}" in login
        assert "Warning" not in login, "no version of it is too new or too old"
        listed = kelvin.json("workload", "list")["workloads"]
        assert [(each["name"], each["status"]) for each in listed] == [("fan", "running"), ("pump", "running"), ("valve", "staged")]
        assert kelvin.json("workload", "show", "fan")["status"]["state"] == "running"
        assert "no workload absent on this box" in kelvin.run("workload", "show", "absent", code=1).stderr
        assert kelvin.json("workload", "stop", "fan", "-y") == {"status": "stopped", "workload_name": "fan"}
        assert kelvin.json("workload", "start", "fan") == {"status": "started", "workload_name": "fan"}
        assert kelvin.json("workload", "undeploy", "fan", "-y") == {"status": "undeployed", "workload_name": "fan"}
        app = {"spec_version": "5.0.0", "type": "docker", "name": "made", "title": "A", "description": "A", "version": "1.0.0"}
        (home / "app.yaml").write_text(json.dumps(app))
        (home / "runtime.yaml").write_text(json.dumps({"deployment_type": "staged-only"}))
        words = ("workload", "deploy", "-f", "app.yaml", "-r", "runtime.yaml", "-c", "c", "-n", "made")
        assert "set image.uri" in " ".join(kelvin.run(*words, code=1).stderr.split()), "this box has no registry"
