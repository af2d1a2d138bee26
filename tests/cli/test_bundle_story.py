"""From the desk to a box that never saw a network: created, carried, compared, imported, applied; and the next version on the same stick."""

import json
from contextlib import closing

import pytest

from tests.kit import bundle_box
from tests.kit.images import random_image

REGISTRY = "registry.example.com:5000"
PAYLOAD = {"spec_version": "5.0.0", "type": "docker", "name": "pump", "title": "Pump", "description": "Speed"}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", REGISTRY)
    with closing(bundle_box.desk(tmp_path / "desk", registry=REGISTRY)) as desk:
        for version in ("1.0.0", "2.0.0"):
            desk.source.images[f"{REGISTRY}/pump:{version}"] = random_image([4_000, 300_000], level=0)
        yield desk


@pytest.fixture
def box(tmp_path):
    with closing(bundle_box.offline(tmp_path / "box", registry=REGISTRY)) as box:
        yield box


def test_two_versions_on_one_stick(desk, box, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    for version, suffix in (("1.0.0", "json"), ("2.0.0", "yaml")):
        path = tmp_path / f"pump.{suffix}"
        body = {"name": "pump", "app_name": "pump", "app_version": version, "staged": True, "instantly_apply": False}
        body["payload"] = PAYLOAD | {"version": version}
        path.write_text(json.dumps(body) if suffix == "json" else "".join(f"{key}: {json.dumps(value)}\n" for key, value in body.items()))
        made = desk.ended("bundle", "create", str(path), "--to", str(stick), "--name", "line-3", "--platform", "linux/amd64", "--json")
        digest = json.loads(made.stdout)["bundle"]["digest"]
        box.ended("bundle", "import", str(stick), "--expect", digest, "--yes")
        box.turn()
        box.ended("workloads", "apply", "pump")
        shown = json.loads(box.ended("workloads", "show", "pump", "--json").stdout)
        assert shown["app_version"] == version
    assert box.source.served == []
