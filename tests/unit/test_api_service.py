"""The API as a service: its units as text, written and removed, and what other machines need to reach it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.agent.systemd import service as agent
from kelvin_provision.api_service import firewall, issue, place, service, units
from kelvin_provision.api_service.units import Installation
from kelvin_provision.errors import ApiMissing, Locked
from kelvin_provision.settings.model import ApiSettings, ClusterSettings, RuntimeSettings, Settings
from kelvin_provision.systemd.sockets import inherited
from kelvin_provision.systemd.systemctl import Systemd
from tests.kit.cli import run

GOLDEN = Path(__file__).with_name("api.service")
STATE = Path("/var/lib/kelvin-provision")
INSTALLATION = Installation(
    ["/opt/kelvin provision/bin/python", "-P", "-m", "kelvin_provision.api", "--state-dir", str(STATE)],
    STATE,
    ("127.0.0.1:30000", "[::]:443"),
    {"KELVIN_PROVISION_REGISTRY": "r.io"},
    denied=(Path("/srv/k8s/admin.conf"), Path("/run/docker.sock")),
)


@pytest.fixture
def box(tmp_path):
    """An image that is built elsewhere: no systemd runs."""
    return service.Box(Systemd(tmp_path / "etc/systemd/system", booted=tmp_path / "not-booted"), lambda *words: None)


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path / "state")


def listening_on(settings, *addresses):
    return replace(settings, api=ApiSettings(listen=addresses))


# --- the units ----------------------------------------------------------------------------------------


def test_the_unit_is_what_it_was():
    assert units.render(INSTALLATION)[units.SERVICE] == GOLDEN.read_text()


def test_systemd_understands_every_line_of_the_units(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    rendered = units.render(replace(INSTALLATION, command=["/bin/true"], state_dir=tmp_path))
    for name, text in rendered.items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--recursive-errors=no", *(str(tmp_path / name) for name in rendered)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if "kelvin-provision-api" in line] == []


def test_neither_cluster_nor_runtime_nor_systemd_can_be_reached():
    text = units.render(INSTALLATION)[units.SERVICE]
    assert "\nTemporaryFileSystem=/run:ro\nBindReadOnlyPaths=-/run/systemd/notify\n" in text
    (denied,) = [line for line in text.splitlines() if line.startswith("InaccessiblePaths=")]
    assert {"-/etc/rancher", "-/root/.kube", "-/srv/k8s/admin.conf"} <= set(denied.partition("=")[2].split())
    assert "docker.sock" not in denied, "all of /run is hidden, also a socket that is made anew"
    assert "\nCapabilityBoundingSet=\n" in text


@pytest.mark.parametrize(
    ("path", "home"), [("/opt/kp/bin/python", "yes"), ("/root/.venv/bin/python", "read-only"), ("/home/anna/bin/python", "read-only")]
)
def test_homes_are_hidden_unless_the_program_is_in_one(path, home):
    text = units.render(replace(INSTALLATION, command=[path]))[units.SERVICE]
    assert f"\nProtectHome={home}\n" in text


def test_what_it_reads_below_run_is_there_for_it():
    state = Path("/run/user/0/state")
    text = units.render(replace(INSTALLATION, state_dir=state, reads=(Path("/run/secrets/tls.pem"), Path("/etc/tls.key"))))[units.SERVICE]
    assert f"\nBindReadOnlyPaths=-/run/systemd/notify -/run/secrets/tls.pem\nBindPaths={state}\n" in text


def test_the_socket_has_every_address_and_says_so_again():
    text = units.render(INSTALLATION)[units.SOCKET]
    assert "\nListenStream=127.0.0.1:30000\nListenStream=[::]:443\n" in text
    assert units.addresses_of(text) == INSTALLATION.addresses


# --- installed and removed ------------------------------------------------------------------------------


def test_an_install_writes_the_units_and_says_what_is_missing(box, settings):
    done = service.install(box, settings, None, {}, now=True)
    assert (done.done.outcome, done.addresses, done.issue) == ("written", ("127.0.0.1:30000",), None)
    assert done.warnings == (
        "systemd does not run here; where it does: systemctl enable --now kelvin-provision-api.service kelvin-provision-api.socket",
        "without the service of the agent, changes are refused while no agent runs (agent install)",
    )
    assert {path.name: path.stat().st_mode & 0o777 for path in box.systemd.folder.iterdir()} == {units.SERVICE: 0o644, units.SOCKET: 0o644}
    assert box.systemd.is_for(units.SERVICE, settings.state_dir)
    agent.install(box.systemd, settings.state_dir, ["--state-dir", str(settings.state_dir)], {}, now=True)
    again = service.install(box, settings, None, {}, now=True)
    assert (again.done.outcome, len(again.warnings)) == ("unchanged", 1)
    assert service.uninstall(box).outcome == "removed"
    assert service.uninstall(box).outcome == "not installed"
    assert not [path for path in box.systemd.folder.iterdir() if "api" in path.name]


def test_an_address_for_other_machines_is_shown_on_the_screen_until_it_is_uninstalled(box, settings, tmp_path):
    done = service.install(box, listening_on(settings, "127.0.0.1:30000", "0.0.0.0:443"), None, {}, now=True)
    assert done.issue == tmp_path / "etc/issue.d/50-kelvin-provision.issue"
    assert done.issue.read_text() == "Workloads of this box: https://\\4/\n\n"
    service.install(box, settings, None, {}, now=True)
    assert not done.issue.exists(), "no other machine reaches it any more"
    service.install(box, listening_on(settings, "192.0.2.7:443"), None, {}, now=True)
    service.uninstall(box)
    assert not done.issue.exists()


def test_the_unit_has_no_login_and_names_no_cluster(box, settings, tmp_path):
    settings = replace(
        settings, cluster=ClusterSettings(kubeconfig=tmp_path / "admin.conf"), runtime=RuntimeSettings(address="/srv/ctrd.sock")
    )
    environ = {"KUBECONFIG": "/srv/other.conf", "DOCKER_HOST": "unix:///srv/docker.sock", "HTTPS_PROXY": "http://me:hunter2@proxy:1"}
    warnings = service.install(box, settings, tmp_path / "config.yaml", environ, now=False).warnings
    text = box.systemd.path(units.SERVICE).read_text()
    assert warnings[0].startswith("HTTPS_PROXY contains a login and is left out of the unit")
    assert not [word for word in ("hunter2", "KUBECONFIG", "DOCKER_HOST") if word in text]
    assert f"-{tmp_path / 'admin.conf'} -/srv/docker.sock -/srv/ctrd.sock\n" in text
    assert f" --config {tmp_path / 'config.yaml'} --agent asked\n" in text


def test_an_api_that_somebody_started_is_not_fought_over(box, settings, tmp_path, monkeypatch):
    script = tmp_path / "bin" / "systemctl"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    (tmp_path / "booted").mkdir()
    box = replace(box, systemd=replace(box.systemd, booted=tmp_path / "booted"))
    with place.held(settings.state_dir, ["http://127.0.0.1:30000"]), pytest.raises(Locked, match="an API runs already that is no service"):
        service.install(box, settings, None, {}, now=True)
    assert not box.systemd.folder.exists()


def test_without_its_libraries_nothing_is_written(box, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(ApiMissing):
        service.install(box, settings, None, {}, now=True)
    assert not box.systemd.folder.exists()


# --- for other machines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "name", "command"),
    [
        ({"firewall-cmd --state": "running\n"}, "firewalld", "firewall-cmd --permanent --add-port=443/tcp && firewall-cmd --reload"),
        ({"ufw status": "Status: active\n"}, "ufw", "ufw allow 443/tcp"),
        ({"ufw status": "Status: inactive\n"}, "", ""),
        ({"iptables -S INPUT": "-P INPUT DROP\n"}, "iptables", "iptables -I INPUT 1 -p tcp --dport 443 -j ACCEPT"),
        ({"iptables -S INPUT": "-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with x\n"}, "iptables", "iptables -I INPUT 1 -p tcp --dport 443 -j ACCEPT"),
        ({"iptables -S INPUT": "-P INPUT ACCEPT\n-A INPUT -j KUBE-FIREWALL\n"}, "", ""),
        (
            {"nft list chains": "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"},
            "nftables",
            "nft insert rule inet filter input tcp dport 443 accept",
        ),
        ({"nft list chains": "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter;\n"}, "", ""),
        ({}, "", ""),
    ],
)  # fmt: skip
def test_the_line_is_that_of_the_firewall_which_is_there(answers, name, command):
    assert firewall.command_for(443, lambda *words: answers.get(" ".join(words))) == (name, command)


def test_the_programs_of_this_machine_can_be_asked():
    assert firewall.asked("false") is None
    assert firewall.asked("no-such-program-anywhere") is None
    assert firewall.asked("echo", "there") == "there\n"


def test_the_screen_of_the_box_shows_addresses_that_a_phone_can_reach(tmp_path):
    reachable = units.reachable(["127.0.0.1:30000", "0.0.0.0:443", "[::]:443", "192.0.2.7:8443"])
    text = issue.text(reachable, "https")
    assert text.splitlines() == [
        "Workloads of this box: https://\\4/",
        "Workloads of this box: https://[\\6]/",
        "Workloads of this box: https://192.0.2.7:8443/",
    ]
    assert issue.write(text, tmp_path / "issue.d")
    path = tmp_path / "issue.d" / issue.NAME
    assert (path.read_text().startswith(text), path.stat().st_mode & 0o777) == (True, 0o644)
    assert not issue.write("", tmp_path / "issue.d"), "an address that only this box reaches is not shown"
    assert not path.exists()


# --- sockets of systemd ----------------------------------------------------------------------------------

TAKEN = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.environ["LISTEN_PID"] = str(os.getpid())
from kelvin_provision.systemd.sockets import inherited
(found,) = inherited()
print(found.getsockname()[1], found.proto, os.get_inheritable(found.fileno()), sorted(n for n in os.environ if n.startswith("LISTEN")))
"""


def test_a_socket_of_systemd_is_taken_and_given_to_no_child():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        # 3 is where sd_listen_fds(3) begins.
        script = f"exec 3<&{opened.fileno()}; exec {sys.executable} -c '{TAKEN}' {Path(__file__).parents[2]}"
        done = subprocess.run(
            ["bash", "-c", script], pass_fds=[opened.fileno()], env={"LISTEN_FDS": "1"}, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{opened.getsockname()[1]} {socket.IPPROTO_TCP} False []\n"


def test_sockets_of_another_process_are_left_alone():
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "3"}) == []
    assert inherited({}) == []


# --- commands ------------------------------------------------------------------------------------------


def test_the_commands_say_what_they_did(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_UNIT_DIR", str(tmp_path / "etc/systemd/system"))
    state = ("--state-dir", str(tmp_path / "state"))
    unit = tmp_path / "etc/systemd/system/kelvin-provision-api.service"
    run("api", "install", *state).check(stdout=f"unit {unit}: written\naddress 127.0.0.1:30000: listens\n")
    found = run("api", "status", *state, "--json")
    assert (found.exit_code, json.loads(found.stdout)["api"]["service"]) == (1, True)
    run("api", "uninstall").check(stdout=f"unit {unit}: removed\n")


def test_the_status_says_who_runs_where_and_for_whom(tmp_path):
    state = tmp_path / "state"
    words = ("api", "status", "--state-dir", str(state))
    assert "API:     not running" in run(*words).stdout
    with place.held(state, ["http://127.0.0.1:30000"]):
        found = run(*words)
        assert (found.exit_code, f"API:     alive, pid {os.getpid()}, since" in found.stdout) == (0, True)
        assert "Address: http://127.0.0.1:30000\nUsers:   none" in found.stdout
        document = json.loads(run(*words, "--json").stdout)["api"]
    assert (document["alive"], document["pid"], document["users"], document["log"]) == (True, os.getpid(), 0, None)


def test_a_service_for_other_addresses_is_said_to_be_out_of_date(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_UNIT_DIR", str(tmp_path / "etc/systemd/system"))
    (tmp_path / "c.yaml").write_text("api: {listen: ['127.0.0.1:1']}\n")
    both = ("--state-dir", str(tmp_path / "state"), "--config", str(tmp_path / "c.yaml"))
    run("api", "install", *both)
    assert "Service: installed\n" in run("api", "status", *both).stdout
    (tmp_path / "c.yaml").write_text("api: {listen: ['127.0.0.1:2']}\n")
    assert "Service: installed for other addresses than api.listen has now" in run("api", "status", *both).stdout


def test_listen_adds_an_address_and_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_UNIT_DIR", str(tmp_path / "etc/systemd/system"))
    (tmp_path / "c.yaml").write_text("# ours\n")
    both = ("--state-dir", str(tmp_path / "state"), "--config", str(tmp_path / "c.yaml"))
    found = run("api", "install", "--listen", "127.0.0.1:8080", *both)
    assert "address 127.0.0.1:30000: listens\naddress 127.0.0.1:8080: listens\n" in found.stdout
    assert (tmp_path / "c.yaml").read_text().startswith("# ours\n")
    assert "address 127.0.0.1:8080: listens\n" in run("api", "install", *both).stdout
