"""docs/requests.md: each example is a whole request that is accepted, and each has what its heading promises."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.kit.box import Box

PAGE = (Path(__file__).parents[2] / "docs" / "requests.md").read_text()
EXAMPLES = re.findall(r"^## (.+?)\n.*?```yaml\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path / "state")
    found.settings = replace(found.settings, registry="registry.example.com:5000", secrets_dir=tmp_path / "secrets")
    found.settings.secrets_dir.mkdir(mode=0o700)
    (found.settings.secrets_dir / "mqtt-password").write_text("x")
    yield found
    found.close()


@pytest.mark.parametrize(("heading", "text"), EXAMPLES, ids=[heading for heading, _ in EXAMPLES])
def test_an_example_is_accepted(box, tmp_path, monkeypatch, heading, text):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "registry.example.com:5000")
    monkeypatch.setenv("KELVIN_PROVISION_SECRETS_DIR", str(box.settings.secrets_dir))
    path = tmp_path / "request.yaml"
    path.write_text(text)
    result = box.run("workloads", "deploy", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    spec = box.ledger.workload(yaml.safe_load(text)["name"]).staged.spec
    assert spec.method.staged
    system = spec.system
    shown = {
        "Ports": len(system.ports) == 4,
        "Variables and secrets": len(system.environment) == 2,
        "Volumes": len(system.volumes) == 3,
        "Health checks": None not in {system.readiness, system.liveness},
        "Kubernetes objects": len(spec.manifests) == 1,
    }
    assert shown.get(heading, True)


def test_the_page_has_all_that_a_request_has():
    assert [heading for heading, _ in EXAMPLES] == [
        "The smallest one", "Ports", "Variables and secrets", "Volumes", "Health checks", "Kubernetes objects",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--staged",), "staged+instant-apply: will be applied when downloaded"),
        ((), "standard: the agent applies it now"),
        (("--staged", "--no-instantly-apply"), "staged-only: waits for `workloads apply`"),
    ],
    ids=["staged", "no flag", "staged only"],
)
def test_what_will_happen_is_said_before_it_happens(box, tmp_path, monkeypatch, flags, words):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "registry.example.com:5000")
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(yaml.safe_load(EXAMPLES[0][1])["payload"]))
    result = box.run("workloads", "deploy", "-n", "pump", "--payload", str(tmp_path / "app.yaml"), *flags, "--wait", "--timeout", "0")
    assert (result.exit_code, result.stdout) == (75, "")
    assert result.stderr.startswith(f"workload pump: accepted, motor-speed 2.3.0, {words}\n")
