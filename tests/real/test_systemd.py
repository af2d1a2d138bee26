"""The services on a box with a real systemd: what they reach, what they survive, and who starts the agent."""

import base64
import json
import textwrap

import pytest

from tests.kit.api import PASSWORD
from tests.kit.requests import deployable
from tests.kit.servers.systemd import LIBRARIES, PROJECT, SystemdBox, why_not
from tests.kit.signing import key_pair, signatures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]
AGENT, API = "kelvin-provision-agent.service", "kelvin-provision-api.service"
URL = "http://127.0.0.1:30000"
CLIENT = f"""
import json, sys, urllib.error, urllib.parse, urllib.request
def ask(method, path, body=None, token=None, **headers):
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers |= {{"Authorization": "Bearer " + token}} if token else {{}}
    request = urllib.request.Request("{URL}" + path, data, {{name.replace("_", "-"): text for name, text in headers.items()}}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
form = {{"grant_type": "password", "client_id": "kelvin-client", "username": "admin", "password": "{PASSWORD}"}}
def login():
    body = urllib.parse.urlencode(form).encode()
    return json.loads(ask("POST", "/auth/realms/kelvin/protocol/openid-connect/token", body)[1])["access_token"]
"""
ENGINE = """
import os, socket
with socket.socket(socket.AF_UNIX) as engine:
    if os.path.exists("/run/docker.sock"):
        os.unlink("/run/docker.sock")
    engine.bind("/run/docker.sock")
"""
"""The socket of an engine that has ended: it is there, and nothing answers. Again: as of an engine that was restarted."""


@pytest.fixture(scope="module")
def box():
    """With the socket of a Docker Engine and the folder of a k3s, as on a box that has both."""
    with SystemdBox("kelvin-provision-test") as found:
        found.python(ENGINE)
        found.out("mkdir", "-p", "-m", "755", "/etc/rancher/k3s")
        assert found.tool("api", "user", "add", "admin", "--level", "admin", "--password-stdin", input=PASSWORD).returncode == 0
        installed = found.tool("api", "install")
        assert installed.returncode == 0, installed.stderr
        yield found


def client(box, code):
    return json.loads(box.python(CLIENT + textwrap.dedent(code)))


def deployed(box, name):
    body = deployable(name)
    status, text = client(box, f"print(json.dumps(ask('POST', '/api/v4/workloads/deploy', json.loads({json.dumps(body)!r}), login())))")
    return status, json.loads(text)


def healthy(box):
    return box.run("python3", "-c", f"import urllib.request as u; u.urlopen('{URL}/healthz', timeout=5)").returncode == 0


def test_it_runs_and_the_status_says_so(box):
    found = box.tool("api", "status", "--json")
    api = json.loads(found.stdout)["api"]
    assert (found.returncode, api["alive"], api["service"], api["addresses"], api["users"]) == (0, True, True, [URL], 1)
    assert api["pid"] == box.main_pid(API)
    assert f"listening on {URL}" in box.out("systemctl", "show", "-p", "StatusText", API)


def test_neither_engine_nor_cluster_nor_systemd_is_there_for_it(box):
    """Also when the engine makes its socket again, which takes a mount away that lies over the old one."""
    inside = ("nsenter", "-t", str(box.main_pid(API)), "-m", "find", "/run", "!", "-type", "d")
    assert box.out(*inside) == "/run/systemd/notify"
    box.python(ENGINE)
    assert box.out(*inside) == "/run/systemd/notify"
    assert box.run("nsenter", "-t", str(box.main_pid(API)), "-m", "stat", "-c", "%a", "/etc/rancher").stdout == "0\n"
    status = box.out("cat", f"/proc/{box.main_pid(API)}/status")
    assert {line.split()[1] for line in status.splitlines() if line.startswith("Cap")} == {"0" * 16}
    assert "NoNewPrivs:\t1" in status


def test_systemd_calls_it_well_confined(box):
    level = box.out("systemd-analyze", "security", "--no-pager", API).rpartition("level for ")[2]
    assert float(level.split()[1]) < 2.0, level


def test_a_change_is_refused_without_an_agent_and_one_is_started_by_systemd_when_it_is_a_service(box):
    status, refused = deployed(box, "motor")
    assert (status, refused["errors"][0]["name"]) == (503, "agent-silent")
    assert refused["errors"][0]["solution"] == "sudo kelvin-provision agent install"
    assert box.tool("agent", "install").returncode == 0
    box.out("systemctl", "stop", AGENT)
    status, accepted = deployed(box, "motor")
    assert (status, accepted.get("name")) == (201, "motor"), accepted
    assert box.state(AGENT) == "active"
    (listed,) = json.loads(box.tool("workloads", "list", "--json").stdout)["data"]
    assert listed["name"] == "motor"
    assert "admin@127.0.0.1 via api" in box.tool("workloads", "history", "motor", "--json").stdout


def test_no_question_needs_what_it_cannot_reach(box):
    """Every route that asks something and names nothing, with the agent there. A 503 is that of the agent: the engine has ended."""
    answers = client(
        box,
        """
        token = login()
        paths = json.loads(ask("GET", "/openapi.json")[1])["paths"]
        asked = [path for path, methods in paths.items() if "get" in methods and "{" not in path and not path.endswith("/events")]
        answers = {path: ask("GET", path, None, token) for path in asked}
        print(json.dumps({path: [status, text[:500]] for path, (status, text) in answers.items() if status >= 400}))
        """,
    )
    known = ("Docker Engine does not answer", "certificate-missing")
    assert {
        path: answer for path, answer in answers.items() if answer[0] not in {404, 503} or not any(text in answer[1] for text in known)
    } == {}


def test_a_restart_loses_no_connection(box):
    before, after, statuses = client(
        box,
        """
        import subprocess, threading, time
        statuses, stop = [], threading.Event()
        def knock():
            while not stop.is_set():
                statuses.append(ask("GET", "/healthz")[0])
        threads = [threading.Thread(target=knock) for _ in range(4)]
        for thread in threads: thread.start()
        while len(statuses) < 4: time.sleep(0.01)
        before = len(statuses)
        subprocess.run(["systemctl", "restart", "kelvin-provision-api"], check=True)
        stop.set()
        for thread in threads: thread.join()
        print(json.dumps([before, len(statuses), sorted(set(statuses))]))
        """,
    )
    assert statuses == [200]
    assert after > before, "some were sent while it restarted"


def test_one_that_hangs_is_restarted(box):
    folder = "/run/systemd/system/kelvin-provision-api.service.d"
    box.out(
        "sh",
        "-c",
        f"mkdir -p {folder} && printf '[Service]\\nWatchdogSec=5\\nRestartSec=0\\n' >{folder}/quick.conf && systemctl daemon-reload",
    )
    box.out("systemctl", "restart", API)
    before = box.main_pid(API)
    box.out("kill", "-STOP", str(before))
    box.until(lambda: box.main_pid(API) not in {0, before} and healthy(box))
    assert "Watchdog timeout" in box.journal(API, "-n", "50")
    box.out(
        "sh", "-c", f"rm -r {folder} && systemctl daemon-reload && systemctl restart {API}"
    )  # on a busy machine it is late with its beats


def test_the_confined_service_verifies_signatures(box):
    """It may neither set limits nor leave its folders, and its child has a child."""
    assert box.tool("agent", "install").returncode == 0
    anna, content = key_pair(), json.dumps(deployable("signed")).encode()
    box.out(
        "sh", "-c", f"install -d /etc/kelvin-provision/keys && printf '%s' '{anna[1].pem.decode()}' >/etc/kelvin-provision/keys/anna.pub"
    )
    for setting in (["trust.keys", "/etc/kelvin-provision/keys/anna.pub"], ["trust.require_signature", "request"]):
        assert box.tool("config", "set", *setting).returncode == 0
    try:
        header = base64.b64encode(signatures(anna, content)).decode()
        code = f"""
            token, answers = login(), []
            for headers in ({{}}, {{"X_Kelvin_Signature": {header!r}}}):
                answers.append(ask("POST", "/api/v4/workloads/deploy", {content!r}, token, **headers))
            print(json.dumps(answers))
        """
        (status, refused), (done, text) = client(box, code)
        assert (status, "signature-missing" in refused, done) == (400, True, 201), text
        assert "signed by anna" in box.tool("workloads", "history", "signed").stdout
        assert "trusted: anna" in box.tool("doctor").stdout
    finally:
        for name in ("require_signature", "keys"):
            box.tool("config", "unset", f"trust.{name}")


def test_other_machines_reach_port_443_with_tls_and_the_screen_shows_the_address(box):
    """The certificate is made by the confined service itself."""
    installed = box.tool("api", "install", "--listen", "0.0.0.0:443")
    assert installed.returncode == 0, installed.stderr
    status = json.loads(box.tool("api", "status", "--json").stdout)["api"]
    assert status["addresses"] == [URL, "https://0.0.0.0:443"]
    assert f"certificate {status['certificate']['fingerprint']}: served" in installed.stdout
    assert status["certificate"]["fingerprint"] in box.tool("api", "cert", "show").stdout
    assert box.tool("api", "cert", "export-ca", input=None).stdout.startswith("-----BEGIN CERTIFICATE-----")
    box.out("sh", "-c", f"PYTHONPATH={PROJECT}:{LIBRARIES} python3 -P -m kelvin_provision api cert export-ca >/tmp/ca.pem")
    asked = "import ssl, urllib.request as u; c = ssl.create_default_context(cafile='/tmp/ca.pem')"
    assert box.python(f"{asked}; print(u.urlopen('https://127.0.0.1/healthz', timeout=60, context=c).status)") == "200"
    assert box.out("cat", "/etc/issue.d/50-kelvin-provision.issue") == "Workloads of this box: https://\\4/"


def test_a_service_that_does_not_start_is_explained_where_its_hint_says(box):
    assert box.tool("agent", "uninstall").returncode == 0
    folder = f"/run/systemd/system/{AGENT}.d"
    box.out("sh", "-c", f"mkdir -p {folder} && printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{folder}/broken.conf")
    failed = json.loads(box.tool("agent", "install", "--json").stdout)["error"]
    assert (failed["code"], failed["hint"]) == ("service-failed", f"systemctl status {AGENT}")
    assert "ExecStart=/bin/false" in box.run(*failed["hint"].split()).stdout
    box.out("rm", "-r", folder)
    assert box.tool("agent", "install").returncode == 0


def test_a_masked_unit_is_left_masked(box):
    """Masking is how an administrator forbids a service."""
    assert box.tool("agent", "uninstall").returncode == 0
    box.out("systemctl", "mask", AGENT)
    failed = json.loads(box.tool("agent", "install", "--json").stdout)["error"]
    assert (failed["code"], failed["hint"]) == ("service-failed", f"systemctl unmask {AGENT}")
    assert box.tool("agent", "uninstall").stdout.endswith(": not installed\n")
    box.out(*failed["hint"].split())
    assert box.tool("agent", "install").returncode == 0


def test_both_are_there_after_a_reboot(box):
    box.reboot()
    box.until(lambda: healthy(box))
    box.until(lambda: box.state(AGENT) == "active")


def test_uninstalled_it_is_gone_and_the_agent_stays(box):
    assert box.tool("api", "uninstall").returncode == 0
    assert not healthy(box)
    assert box.tool("api", "status").returncode == 1
    assert box.run("sh", "-c", "ls -d /etc/systemd/system/*api* /etc/systemd/system/*/*api* /etc/issue.d/*").stdout == ""
    assert box.state(AGENT) == "active"
