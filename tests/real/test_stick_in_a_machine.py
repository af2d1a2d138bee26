"""A stick with FAT32 in a virtual machine: its kernel finds it, udev starts the unit, and it is pulled out while it is read."""

import json
import re
import shutil
import site
from pathlib import Path

import pytest

from kelvin_provision.bundles.model import PAYLOAD_TYPE
from tests.kit import bundles
from tests.kit.images import random_image
from tests.kit.requests import stored_request as body
from tests.kit.servers.machine import Machine, why_not
from tests.kit.servers.systemd import LIBRARIES, PROJECT, ROOT
from tests.kit.signing import key_pair, signatures
from tests.kit.sticks import write_stick
from tests.kit.waiting import until

MISSING = why_not() or ", ".join(f"{name} is missing" for name in ("containerd", "mcopy", "mkfs.vfat") if not shutil.which(name))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("machine"),
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "-"),
]
KEY = key_pair()
PROGRAMS = "/opt/programs"
STATE = "/var/lib/kelvin-provision"
SETTINGS = """\
registry: registry.example:5000
cluster: {type: kubernetes}
runtime: {type: containerd, address: /run/containerd/containerd.sock}
trust: {keys: [/etc/kelvin-provision/anna.pub]}
media: {auto: import}
"""
SIZE = 24 << 20
SLOW = 1 << 20
SLACK = 4 << 20
"""What the kernel reads of a stick besides the bytes that somebody wants: tables, and ahead."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """With an engine that runs nothing, a key that it trusts, and the unit installed."""
    binds = {ROOT / "kelvin_provision": f"{PROJECT}/kelvin_provision", site.getsitepackages()[0]: LIBRARIES, "/usr/bin": PROGRAMS}
    with Machine(tmp_path_factory.mktemp("machine"), binds) as found:
        found.out("systemd-run", "--unit=containerd", f"{PROGRAMS}/containerd")
        found.out("ln", "-s", f"{PROGRAMS}/ctr", "/usr/local/bin/ctr")
        found.out("mkdir", "-p", "/etc/kelvin-provision")
        for name, text in (("anna.pub", KEY[1].pem.decode()), ("config.yaml", SETTINGS)):
            found.out("sh", "-c", 'printf %s "$1" >"/etc/kelvin-provision/$0"', name, text)
        tool(found, "media", "install")
        yield found


def tool(machine, *words):
    return machine.out("env", f"PYTHONPATH={PROJECT}:{LIBRARIES}", "python3", "-P", "-m", "kelvin_provision", *words)


def shown(machine, *words):
    return json.loads(tool(machine, *words, "--json"))


def bundle(folder: Path, name: str, size: int, key=KEY) -> Path:
    made = bundles.make({f"registry.example:5000/{name}:1.0.0": random_image([size])}, [body(name)], name=name)
    (path,) = made.write(folder, signatures(key, made.table, PAYLOAD_TYPE) if key else b"")
    return path


def words_of_the_units(machine):
    return machine.run("journalctl", "-u", "kelvin-provision-media@*", "--no-pager", "-o", "cat").stdout


def said(machine, name, times=1):
    """What a unit said of this bundle, at last of so many times."""

    def sentences():
        found = re.findall(rf"^bundle {name}: (.*)$", words_of_the_units(machine), re.MULTILINE)
        return found if len(found) >= times else []

    return until(sentences, 300, pause=1, why=lambda: machine.out("journalctl", "--no-pager", "-n", "60"))[-1]


def stored(machine):
    return {re.split("[/:]", image["reference"])[2]: image["in_store"] for image in shown(machine, "images", "list")["images"]}


def test_udev_starts_the_unit_which_imports_what_is_signed_and_nothing_else(machine, tmp_path):
    machine.plug("both", write_stick(tmp_path / "stick.img", [bundle(tmp_path, "pump", 50_000), bundle(tmp_path, "fan", 50_000, None)]))
    assert re.match(r"imported, on /dev/sd[a-z]1; signed by anna", said(machine, "pump"))
    assert re.match(r"refused, on /dev/sd[a-z]1", said(machine, "fan"))
    (medium,) = shown(machine, "media", "list")["media"]
    assert {found["name"]: found["outcome"] for found in medium["bundles"]} == {"fan": "refused", "pump": "imported"}
    machine.pull("both")
    until(lambda: "sd" not in machine.out("cat", "/proc/partitions"), 120, pause=1)


def copied(machine):
    """Bytes of a layer that is not whole yet."""
    sizes = machine.run("sh", "-c", f"stat -c %s {STATE}/partial/*").stdout.split()
    return max(map(int, sizes), default=0)


def test_pulled_out_while_it_is_copied_it_is_waited_for_and_goes_on_where_it_ended(machine, tmp_path):
    image = write_stick(tmp_path / "stick.img", [bundle(tmp_path, "valve", SIZE)])
    machine.plug("valve", image, speed=SLOW)
    everything = ("sh", "-c", "cat /proc/[0-9]*/mountinfo | grep vfat")
    mounted = until(lambda: machine.run(*everything).stdout, 300, pause=1)
    assert re.search(r"/run/kelvin-provision/media/sd[a-z]1 ro,nosuid,nodev,noexec\S* .* vfat /dev/sd", mounted)
    until(lambda: copied(machine) > SIZE // 2, 300, pause=0.5, why=lambda: machine.out("journalctl", "--no-pager", "-n", "60"))
    machine.pull("valve")
    assert re.match(r"waits, on /dev/sd[a-z]1; .*the stick valve is not there", said(machine, "valve"))
    kept = copied(machine)
    assert SIZE // 2 < kept < SIZE
    variables = ["--setenv", f"PYTHONPATH={PROJECT}:{LIBRARIES}"]
    machine.out("systemd-run", "--unit=agent", *variables, "python3", "-P", "-m", "kelvin_provision", "agent", "run")
    until(lambda: "waits for the stick valve" in tool(machine, "workloads", "list", "--json", "--staged"), 300, pause=2)

    machine.plug("valve", image)
    assert re.match(r"known, on /dev/sd[a-z]1; signed by anna", said(machine, "valve", 2))
    assert machine.pull("valve") < SIZE - kept + SLACK
    assert stored(machine) == {"pump": True, "valve": True}
    assert "vfat" not in machine.run(*everything).stdout
