"""What holds for every test: an empty environment and home, and a header that says which real backends are here."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.kit", "tests.contract")  # before anything of them is imported

from tests.kit.groups import Scheduler, arranged, group_of  # noqa: E402
from tests.kit.servers import newer  # noqa: E402

pytest_plugins = [
    "tests.kit.templates",
    "tests.kit.servers.registry",
    "tests.kit.servers.containerd",
    "tests.kit.servers.kubernetes",
    "tests.kit.servers.dockerd",
]

ROOM = 4 << 30
KEPT = {
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "KELVIN_PROVISION_TEST_KUBECONFIG",
    "KELVIN_PROVISION_TEST_CONTAINERD",
    "KELVIN_PROVISION_TEST_NODES",
    "KELVIN_PROVISION_TEST_DOCKER",
    "KELVIN_PROVISION_TEST_NEWER",
    "CI",
}


def pytest_configure(config):
    """Temporary files stand in memory where there is room: durable writes, which nearly every test makes, cost nothing there."""
    if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = "/dev/shm"


def pytest_collection_modifyitems(config, items):
    if workers := getattr(config, "workerinput", {}).get("workercount"):
        place = arranged([item.nodeid for item in items], workers)
        items.sort(key=lambda item: place[group_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Scheduler(config, log)


def pytest_report_header():
    kubeconfig = os.environ.get("KELVIN_PROVISION_TEST_KUBECONFIG")
    here = {name: shutil.which(name) for name in ("docker-registry", "containerd", "runc", "dockerd", "skopeo")}
    lines = [f"{name}: {path or 'absent'}" for name, path in here.items()]
    lines.append(f"newer runtimes: {newer.folder() or newer.why_not()}")
    return [*lines, f"kubernetes: {kubeconfig or 'absent (KELVIN_PROVISION_TEST_KUBECONFIG is not set)'}", f"root: {os.geteuid() == 0}"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    """No setting of the person who runs the tests may reach the code, and no command of a test the state of this machine."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(Path(home) / "state"))
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(Path(home) / "no-site-file.yaml"))
