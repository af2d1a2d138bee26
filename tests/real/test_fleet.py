"""A fleet from the desk to its boxes and back: published, followed, reported and looked at, over Debian's registry."""

import json
from contextlib import ExitStack, closing

import pytest

from kelvin_provision.following.boxkey import box_key
from kelvin_provision.following.reporting import send_report
from kelvin_provision.following.taking import take
from kelvin_provision.publications.choosing import percentile
from kelvin_provision.registry.client import Registry
from kelvin_provision.settings.model import ClusterSettings, FollowSettings
from kelvin_provision.trust import computing
from kelvin_provision.trust.key_files import generate, public_key
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.requests import stored_request
from tests.kit.signing import computed_here, trusting

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "desk"))
    (tmp_path / "boxes").mkdir()
    generate(tmp_path / "fleet", "ed25519")
    return tmp_path


def asked(*words):
    return json.loads(run(*words, "--json").check(stderr=None).stdout)


def test_a_version_goes_out_to_some_then_to_all_and_the_desk_sees_it(desk, registry):
    tag, reports = f"{registry}/story/site:stable", f"{registry}/story/reports"
    settings = {"follow": FollowSettings(publications=(tag,), report=reports)}
    names = sorted(("north", "south"), key=lambda name: percentile("pump", name))
    for version in ("1.0.0", "2.0.0"):
        (desk / f"{version}.json").write_bytes(stored_request("pump", version))

    def publish(*words):
        return asked("publish", *words, tag, "--sign", "fleet.key")["publication"]

    with ExitStack() as stack:
        boxes = {}
        for name in names:
            (desk / name).mkdir()
            trust = trusting(desk / name, (None, public_key(desk / "fleet.pub")))
            box = Box(desk / name / "state", trust=trust, cluster=ClusterSettings(name=name), registry=registry, **settings)
            box.source = Registry(box.settings)
            boxes[name] = stack.enter_context(closing(box))

        def turn(*chosen):
            for name in chosen:
                assert take(boxes[name].ctx, tag).error is None
                send_report(boxes[name].ctx)
            return {name: box.ledger.workload("pump").staged.spec.app_version for name, box in boxes.items()}

        publish("-f", "1.0.0.json")
        assert turn(*names) == dict.fromkeys(names, "1.0.0")
        for name, box in boxes.items():
            (desk / "boxes" / f"{name}.pub").write_bytes(box_key(box.settings.state_dir).public.pem)
        publish("-f", "2.0.0.json", "--rollout", f"{percentile('pump', names[0]) + 1}%")
        assert turn(*names) == {names[0]: "2.0.0", names[1]: "1.0.0"}
        publish("-f", "2.0.0.json")
        assert turn(names[0])[names[0]] == "2.0.0"
        fleet = asked("fleet", "status", reports, "--keys", "boxes")
        assert [row["key"] for row in fleet["boxes"]] == ["known", "known"]
        assert fleet["behind"] == [names[1]]
        assert {(row["staged"], row["boxes"]) for row in fleet["versions"]} == {("1.0.0", 1), ("2.0.0", 1)}
        publish("--rollback")
        assert turn(*names) == {names[0]: "2.0.0", names[1]: "1.0.0"}
        assert asked("fleet", "status", reports, "--keys", "boxes")["behind"] == []
