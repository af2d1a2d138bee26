"""The tree for arm64, made on this machine, run by qemu: its commands, and the children that they start.

Its handler is registered in a user namespace of its own, so that no other process on the machine is run by it.
"""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.requests import deployable
from tests.kit.servers import packages
from tests.kit.waiting import until

QEMU = shutil.which("qemu-aarch64-static")
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
IN_IT = f"""
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':aarch64:M::{MAGIC}:{MASK}:{QEMU}:F' >/proc/sys/fs/binfmt_misc/register
exec "$@"
"""
pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="is for a machine of amd64"),
    pytest.mark.skipif(not QEMU, reason="needs qemu-aarch64-static (qemu-user-static)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a handler of binfmt_misc needs root"),
]


def within(*words, **more):
    entered = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", IN_IT, "sh", *map(str, words)]
    return subprocess.run(entered, check=False, capture_output=True, text=True, timeout=300, **more)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    if (reason := within("true").stderr) != "":
        pytest.skip(f"this kernel has no binfmt_misc of a namespace's own: {reason.strip()}")
    (path,) = packages.first("--arch", "arm64", "--form", "run", name="arm64").glob("*-linux-arm64.run")
    folder = tmp_path_factory.mktemp("arm64")
    script = path.read_bytes()[:8192].decode(errors="replace")
    skip = script.partition("skip=")[2].split()[0]
    with path.open("rb") as file:
        file.seek(int(skip) - 1)
        subprocess.run(["tar", "-xz", "-C", folder], stdin=file, check=True)
    for launcher in (folder / "bin").iterdir():
        launcher.write_text(launcher.read_text().replace("@HOME@", str(folder)))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def environment(tmp_path):
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KELVIN_PROVISION_STATE_DIR": str(tmp_path / "state")}
    return own | {"KELVIN_PROVISION_SITE_CONFIG": str(tmp_path / "none"), "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes"}


def test_its_commands_run_and_so_do_the_processes_that_they_start(tree, environment, tmp_path):
    tool, about = tree / "bin/kelvin-provision", json.loads((tree / "release.json").read_text())
    assert about["architecture"] == "arm64"
    assert within(tool, "--version", env=environment).stdout == f"kelvin-provision {about['version']}\n"
    code = "import platform, ssl, sqlite3, pydantic_core, yaml; print(platform.machine())"
    assert within(tree / "bin/python", "-c", code, env=environment).stdout == "aarch64\n"
    Path(tmp_path / "pump.json").write_text(json.dumps(deployable("pump") | {"staged": True, "instantly_apply": False}))
    deployed = within(tool, "workloads", "deploy", tmp_path / "pump.json", "--json", env=environment)
    # An emulated agent may need longer than a command waits for it; what was deployed is stored all the same.
    assert deployed.returncode == 0 or "agent-silent" in deployed.stdout, deployed.stdout + deployed.stderr
    until(lambda: json.loads(within(tool, "agent", "status", "--json", env=environment).stdout)["agent"]["alive"], 120)
    listed = json.loads(within(tool, "workloads", "list", "--json", env=environment).stdout)["data"]
    assert [each["name"] for each in listed] == ["pump"]
    within(tool, "key", "generate", tmp_path / "anna", env=environment)
    signed = within(tool, "key", "sign", tmp_path / "pump.json", "--key", tmp_path / "anna.key", env=environment)
    assert signed.returncode == 0, signed.stderr
    assert within(tool, "agent", "stop", env=environment).returncode == 0
