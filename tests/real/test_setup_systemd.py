"""A box with a real systemd and a real engine from `setup` to its removal: an image that boots, cuts, an upgrade, a downgrade."""

import json
import shutil
import sqlite3
import subprocess

import pytest

from tests.kit.disks import bytes_below
from tests.kit.images import busybox, make_image, push, tar_of
from tests.kit.servers.registry import docker_registry
from tests.kit.servers.systemd import LIBRARIES, PROJECT, SystemdBox, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.docker,
    pytest.mark.xdist_group("setup-systemd"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]
AGENT, API = "kelvin-provision-agent.service", "kelvin-provision-api.service"
UNITS = (AGENT, API, "kelvin-provision-agent.path", "kelvin-provision-api.socket")
REGISTRY = "127.0.0.1:5000"
SLEEP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
PASSWORD = "Secret123"
NAME = "setup-motor"
SITE = "/etc/kelvin-provision/config.yaml"
NEWER = "/opt/newer"


@pytest.fixture(scope="module")
def box(tmp_path_factory, dockerd):
    """A registry of its own inside, because it reaches nothing but its loopback; the engine comes in by its socket."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder) as host:
        for version, size in (("1.0.0", 1 << 10), ("2.0.0", 2 << 20), ("3.0.0", 5 << 20)):
            unlike = subprocess.run(["head", "-c", str(size), "/dev/urandom"], capture_output=True, check=True).stdout
            push(host, "motor", version, make_image([busybox("sh", "sleep"), tar_of({"data": unlike})], cmd=SLEEP))
        config = json.loads((folder / "config.yml").read_text())
    config["storage"]["filesystem"]["rootdirectory"] = "/srv/registry/data"
    config["http"]["addr"] = REGISTRY
    (folder / "box.yml").write_text(json.dumps(config))
    binds = {
        folder: "/srv/registry",
        "/usr/bin/docker-registry": "/opt/docker-registry",
        dockerd.removeprefix("unix://"): "/run/docker.sock",
    }
    with SystemdBox("kelvin-provision-setup", binds) as found:
        unit = "[Service]\\nExecStart=/opt/docker-registry serve /srv/registry/box.yml\\nRestart=always\\n[Install]\\nWantedBy=multi-user.target\\n"
        found.out("sh", "-c", f"printf '{unit}' >/etc/systemd/system/registry.service && systemctl enable --now registry")
        yield found
        found.tool("workloads", "undeploy", NAME, "--yes")


def setup(box, *words, path=PROJECT, environment=(), **more):
    done = box.run(
        "env", f"PYTHONPATH={path}:{LIBRARIES}", *environment, "python3", "-P", "-m", "kelvin_provision", "setup", "--json", *words, **more
    )
    document = json.loads(done.stdout)
    assert "items" in document, document
    errors = [check for check in document.get("checks", ()) if check["status"] == "error"]
    assert (done.returncode, errors) == (0, [])
    return {f"{item['kind']} {item['name']}": item["outcome"] for item in document["items"]}, document


def pids(box):
    return [box.main_pid(unit) for unit in (AGENT, API)]


def motor(box):
    """Its version and state, and the state of what is staged."""
    data = json.loads(box.tool("workloads", "list", "--json").stdout)["data"]
    found = next(item for item in data if item["name"] == NAME)
    return found["app_version"], found["status"]["state"], found["staged"] and found["staged"]["status"]["state"]


def stage(box, version):
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "motor", "title": "Motor", "description": "Motor", "version": version}
    body = {"name": NAME, "app_name": "motor", "app_version": version, "payload": payload, "deployment_type": "staged-only"}
    done = box.tool("workloads", "deploy", "-f", "-", input=json.dumps(body))
    assert done.returncode == 0, done.stderr


def partial_bytes(box):
    """Of the downloads in progress."""
    return bytes_below(box.root / "var/lib/kelvin-provision/partial")


def configure(box, **settings):
    """The agent reads its settings when it starts."""
    for name, value in settings.items():
        assert box.tool("config", "set", name.replace("__", "."), value).returncode == 0
    box.out("systemctl", "restart", AGENT)


def test_an_image_boots_into_its_services_with_a_state_of_its_own(box):
    image = ("KELVIN_PROVISION_UNIT_DIR=/etc/systemd/system",)  # as in a chroot: no systemd is asked
    words = ("--yes", "--no-start", "--registry", REGISTRY, "--cluster-name", "line-3")
    outcomes, document = setup(box, *words, environment=image)
    assert document["taken"] == {"name": "Docker Engine", "reason": "it is the only one on this box"}
    assert (outcomes["setting cluster.type"], outcomes[f"unit {AGENT}"], box.state(AGENT), box.state(API)) == (
        "set",
        "written",
        "inactive",
        "inactive",
    )
    assert box.out("ls", "-A", "/var/lib/kelvin-provision") == ""
    assert box.out("systemctl", "is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
    box.reboot()
    box.until(lambda: (box.state(AGENT), box.state(API)) == ("active", "active"))


def test_the_box_gets_its_user_and_nothing_else_changes(box):
    before = pids(box)
    outcomes, _ = setup(box, "--yes", "--user", "admin", "--password-stdin", input=f"{PASSWORD}\n")
    assert {name for name, outcome in outcomes.items() if outcome != "unchanged"} == {"user admin"}
    again, document = setup(box, "--yes", "--registry", REGISTRY)
    assert (set(again.values()), document["changes"]) == ({"unchanged"}, False)
    assert pids(box) == before
    login = {"grant_type": "password", "client_id": "kelvin-client", "username": "admin", "password": PASSWORD}
    asked = f"import urllib.parse as p, urllib.request as u; data = p.urlencode({login}).encode()"
    url = "http://127.0.0.1:30000/auth/realms/kelvin/protocol/openid-connect/token"
    assert box.python(f"{asked}; print(u.urlopen({url!r}, data, timeout=60).status)") == "200"


def test_systemd_has_nothing_to_say_about_the_units_and_calls_them_confined(box):
    done = box.run("systemd-analyze", "verify", "--man=no", *(f"/etc/systemd/system/{unit}" for unit in UNITS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for unit in (AGENT, API):
        level = box.out("systemd-analyze", "security", "--no-pager", unit).rpartition("level for ")[2]
        assert float(level.split()[1]) < 4.0, level


def test_an_agent_that_hangs_is_restarted(box):
    folder = f"/run/systemd/system/{AGENT}.d"
    text = "[Service]\\nWatchdogSec=5\\nRestartSec=0\\n"
    box.out(
        "sh", "-c", f"mkdir -p {folder} && printf '{text}' >{folder}/quick.conf && systemctl daemon-reload && systemctl restart {AGENT}"
    )
    before = box.main_pid(AGENT)
    box.out("kill", "-STOP", str(before))
    box.until(lambda: box.main_pid(AGENT) not in {0, before} and box.state(AGENT) == "active", seconds=120)
    assert "Watchdog timeout" in box.journal(AGENT, "-n", "50")
    box.out("sh", "-c", f"rm -r {folder} && systemctl daemon-reload && systemctl restart {AGENT}")


def test_a_cut_in_the_middle_of_a_download_loses_no_byte(box):
    stage(box, "1.0.0")
    box.until(lambda: motor(box)[2] == "ready", seconds=120)
    assert box.tool("workloads", "apply", NAME).returncode == 0
    configure(box, download__rate="100k")
    stage(box, "2.0.0")
    box.until(lambda: partial_bytes(box) > 100_000, seconds=120)
    kept = partial_bytes(box)
    box.cut()
    assert partial_bytes(box) >= kept or motor(box)[2] == "ready"
    configure(box, download__rate="100M")
    box.until(lambda: motor(box)[2] == "ready", seconds=120)
    assert motor(box)[:2] == ("1.0.0", "running")


def test_a_cut_in_the_middle_of_an_apply_is_finished_or_undone_by_itself(box):
    configure(box, apply__settle="15s")
    applying = box.start("workloads", "apply", NAME)
    box.until(lambda: "apply" in box.run("cat", "/var/lib/kelvin-provision/lock").stdout and motor(box)[1] != "running", seconds=120)
    box.cut()
    applying.wait()
    configure(box, apply__settle="1s")
    box.until(lambda: box.state(AGENT) == "active")
    box.until(lambda: motor(box) in {("1.0.0", "running", "ready"), ("2.0.0", "running", None)}, seconds=120)
    if motor(box)[0] == "1.0.0":
        assert box.tool("workloads", "apply", NAME).returncode == 0
    assert motor(box) == ("2.0.0", "running", None)


def test_an_upgrade_in_the_middle_of_a_download_goes_on_with_it(box):
    """The newer version lies beside the older one: `setup` of the newer one renews the units."""
    configure(box, download__rate="100k")
    stage(box, "3.0.0")
    box.until(lambda: partial_bytes(box) > 100_000, seconds=120)
    box.out("cp", "-r", PROJECT, NEWER)
    box.out("sed", "-i", 's/^__version__ = .*/__version__ = "9.9.9"/', f"{NEWER}/kelvin_provision/__init__.py")
    kept = partial_bytes(box)
    outcomes, document = setup(box, "--yes", "--no-user", path=NEWER)
    assert partial_bytes(box) >= kept or motor(box)[2] == "ready"
    assert (outcomes[f"unit {AGENT}"], outcomes[f"unit {API}"]) == ("restarted", "restarted")
    assert any("kelvin-provision 9.9.9" in check["found"] for check in document["checks"])
    configure(box, download__rate="100M")
    box.until(lambda: motor(box)[2] == "ready", seconds=120)
    assert f"PYTHONPATH={NEWER}" in box.out("cat", f"/etc/systemd/system/{AGENT}")


def test_a_downgrade_with_a_newer_ledger_is_refused_and_the_way_out_is_the_newer_version(box):
    ledger = box.root / "var/lib/kelvin-provision/ledger.db"
    box.out("systemctl", "stop", API, "kelvin-provision-api.socket", "kelvin-provision-agent.path", AGENT)
    with sqlite3.connect(ledger) as db:
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {schema + 1}")
    for words in (("workloads", "apply", NAME), ("setup", "--yes")):
        done = box.tool(*words, "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"], error["hint"]) == (78, "state-too-new", "upgrade kelvin-provision on this box first"), words
    with sqlite3.connect(ledger) as db:
        db.execute(f"PRAGMA user_version = {schema}")  # as the newer version reads it
    box.out("systemctl", "start", AGENT)
    assert motor(box) == ("2.0.0", "running", "ready")


def test_what_is_left_behind_by_a_removal_is_known(box):
    assert box.tool("workloads", "undeploy", NAME, "--yes").returncode == 0
    for group in ("api", "agent"):
        assert box.tool(group, "uninstall").returncode == 0
    box.out("rm", "-r", NEWER, "/var/lib/kelvin-provision", "/etc/kelvin-provision")
    left = box.out("find", "/etc", "/var/lib", "/usr/local", "/run", "/opt", "-xdev", "-iname", "*kelvin*", "-not", "-path", f"{PROJECT}*")
    assert left == ""
