"""The process: what it keeps in memory, how it starts and ends, and what survives it."""

import base64
import contextlib
import http.client
import json
import os
import pty
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import orders, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.tls import files
from tests.kit import api_process
from tests.kit.api import Client
from tests.kit.api_process import ROOT, ApiProcess
from tests.kit.browser import as_level
from tests.kit.events import listening
from tests.kit.ledgers import migrated
from tests.kit.requests import deployable
from tests.kit.signing import key_pair, signatures, trusting
from tests.kit.specs import spec
from tests.kit.waiting import PATIENCE, until

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KELVIN_PROVISION_TEST_KILLS", "8"))
V4 = "/api/v4/workloads"
NEVER = {
    "pydantic",
    "cryptography",
    "segno",
    "kubernetes",
    "docker",
    "typer",
    "rich",
    "yaml",
    "requests",
    "urllib3",
    "aiohttp",
    "jwt",
    "charset_normalizer",
    "logging.config",
    "websockets",
    "httptools",
    "uvloop",
    "click",
    "multiprocessing",
    "uvicorn.main",
}


@pytest.fixture
def environment(tmp_path):
    """Without a registry: nothing here is applied."""
    return api_process.environment(tmp_path)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def start(state, environment, tmp_path):
    begun = []

    def start(*words, listen="127.0.0.1:0", **more):
        begun.append(ApiProcess(state, environment | more, tmp_path, *words, listen=listen))
        return begun[-1]

    yield start
    for api in begun:
        api.end(signal.SIGKILL)
    if agent := process.alive(state):
        os.kill(agent["pid"], signal.SIGTERM)
        until(lambda: not process.alive(state))


def test_a_deploy_is_refused_in_time_where_another_writer_has_the_ledger(start, state):
    """Before clients give up. The agent is asked for after that."""
    client = start().client
    token = client.as_level(Level.DEPLOY)
    client.get(f"{V4}/list")
    with contextlib.closing(sqlite3.connect(state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = client.ask("POST", f"{V4}/deploy", token=token, body=deployable())
        assert (answer.status, answer.error["name"]) == (503, "locked")
        assert time.monotonic() - began < 28, "a command waits for 30 s"


def test_nothing_is_imported_from_the_folder_where_it_is_started(state, environment, tmp_path):
    """Such as by root in /tmp. With -P the command is as the installed one is."""
    folder = tmp_path / "anybody"
    folder.mkdir()
    for name in ("json", "starlette", "yaml", "pydantic"):
        (folder / f"{name}.py").write_text("raise SystemExit('code of somebody else')")
    api = ApiProcess(state, environment, folder, flags=["-P"])
    try:
        assert api.client.post(f"{V4}/deploy", {"name": "Motor"}, Level.DEPLOY).error["name"] == "request-refused", "by a child process"
    finally:
        assert api.end() == 0


def saying_modules(folder):
    """The environment of an API that writes down at its end what it has imported, and the function that reads it."""
    hook, listing = folder / "hook", folder / "modules.json"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import atexit, json, sys\n"
        f"atexit.register(lambda: sys.argv[0].endswith('api/__main__.py') and open({str(listing)!r}, 'w').write(json.dumps(sorted(sys.modules))))\n"
    )
    return {"PYTHONPATH": f"{hook}{os.pathsep}{ROOT}"}, lambda: set(json.loads(listing.read_text()))


def test_pages_bring_their_templates_and_nothing_else(start, tmp_path, state):
    environment, modules_of = saying_modules(tmp_path)
    api = start(**environment)
    assert api.client.post(f"{V4}/deploy", deployable(), Level.DEPLOY).status == 201
    browser = as_level(api.client, Level.OPERATE)
    statuses = {
        where: browser.get(where).status
        for where in ("/ui/", "/ui/workloads/motor", "/ui/history", "/ui/activate?name=motor", "/ui/operations/1")
    }
    assert statuses == {
        "/ui/": 200,
        "/ui/workloads/motor": 200,
        "/ui/history": 200,
        "/ui/activate?name=motor": 200,
        "/ui/operations/1": 404,
    }
    assert resident(api) < 49 * 1024
    assert api.client.post(f"{V4}/motor/undeploy").status == 200
    assert api.end() == 0
    modules = modules_of()
    assert "jinja2" in modules
    assert modules & NEVER == set()


def test_a_deploy_leaves_nothing_heavy_in_memory(start, tmp_path, environment, state):
    """Every route was called over TLS, certificate, deploy and signature have had their children, and an agent was started; then it says what it imported."""
    environment, modules_of = saying_modules(tmp_path)
    anna = key_pair()
    trust = {"keys": [str(trusting(tmp_path, anna).keys[0])], "require_signature": ["request"]}
    (tmp_path / "none.yaml").write_text(json.dumps({"trust": trust}))  # JSON: reading YAML would leave its library
    api = start(**environment, listen="0.0.0.0:0")
    client, body = api.client, json.dumps(deployable()).encode()
    header = {"X-Kelvin-Signature": base64.b64encode(signatures(anna, body)).decode()}
    assert client.post(f"{V4}/deploy", body, Level.DEPLOY).error["name"] == "signature-missing"
    assert client.post(f"{V4}/deploy", body, Level.DEPLOY, headers=header).status == 201
    assert process.alive(state), "the deploy has started an agent"
    assert [client.get(f"{V4}/{path}").status for path in ("list", "motor/get", "motor/configurations/get")] == [200, 200, 200]
    assert [client.get(path).status for path in ("/openapi.json", "/metrics")] == [200, 200]
    assert client.post(f"{V4}/apply", {"workload_names": ["motor"]}).status == 406
    with listening(client) as stream:
        stream.until("complete")
    ours = ("box", "explain/not-ready", "doctor", "images", "disk", "settings")
    assert {path: client.get(f"/edge/v1/{path}", Level.ADMIN).status for path in ours} == dict.fromkeys(ours, 200)
    assert client.post("/edge/v1/workloads/schedule", {"all": True, "at": "2099-11-23T02:00:00Z"}).status == 202
    assert client.post("/edge/v1/support-bundle").body[:2] == b"\x1f\x8b"
    assert client.post(f"{V4}/motor/undeploy").status == 200
    assert resident(api) < 45 * 1024, "38 MiB are the bound on a quiet box (bench); this catches a library that was added"
    assert api.end() == 0
    modules = modules_of()
    assert {"starlette", "uvicorn", "sqlite3"} <= modules
    assert modules & (NEVER | {"jinja2"}) == set()
    assert not [
        name
        for name in modules
        if name.startswith(("kelvin_provision.cli", "kelvin_provision.docker_engine", "kelvin_provision.api.description"))
    ]


def resident(api):
    """KiB."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    (found,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    return found


def test_the_memory_of_a_login_is_given_back_and_children_start_with_the_rules_of_the_box(start):
    """scrypt takes 16 MiB, also for an unknown user: glibc kept them for good."""
    api = start()
    before = resident(api)
    for number in range(3):
        assert api.client.login(f"user-{number}", "Wrong12345").status == 401
    assert resident(api) - before < 4 * 1024
    assert api.client.post(f"{V4}/deploy", deployable(), Level.DEPLOY).status == 201
    agent = process.alive(api.state_dir)
    assert b"MALLOC_" not in Path(f"/proc/{agent['pid']}/environ").read_bytes()


def test_a_signal_ends_it_in_good_order_with_0(start):
    for number in (signal.SIGTERM, signal.SIGINT):
        api = start()
        assert api.client.ask("GET", "/healthz").status == 200
        with listening(api.client) as stream:
            stream.until("complete")
            assert api.end(number) == 0
            assert stream.next() is None, "it was ended, not cut off"


def test_after_kill_9_nothing_is_lost_and_nothing_is_done_twice(start, state):
    api = start()
    assert api.client.post(f"{V4}/deploy", deployable(), Level.DEPLOY).status == 201
    for _ in range(3):
        assert api.client.post(f"{V4}/motor/undeploy").status == 200
        api.end(signal.SIGKILL)
        api = start()
    with Ledger(state / "ledger.db") as ledger:
        assert len(orders.recent(ledger)) == 1


def test_killed_at_any_instant_each_request_is_one_order(start, state):
    """A client sends a request until it is answered; the process dies somewhere in it. 200 of them: KELVIN_PROVISION_TEST_KILLS=200."""
    names = [f"w-{number:03d}" for number in range(KILLS)]
    with Ledger(migrated(state / "ledger.db")) as ledger:
        requests.accept(ledger, [spec(name) for name in names], "batch", actor="anna")
    dice = random.Random(7)  # noqa: S311  (no secret)
    with exclusive(process.lock_path(state), command="agent run"):  # an agent that is busy for the time being
        api = start()
        for name in names:
            target = f"{V4}/{name}/undeploy?staged=true"
            api.client.as_level(Level.OPERATE)
            killer = threading.Timer(dice.uniform(0, 0.02), api.process.kill)
            killer.start()
            with contextlib.suppress(OSError, http.client.HTTPException):
                api.client.post(target, level=Level.OPERATE)
            killer.join()
            api.end(signal.SIGKILL)
            api = start()
            assert api.client.post(target, level=Level.OPERATE).status == 200
    with Ledger(state / "ledger.db") as ledger:
        assert sorted(order.names for order in orders.recent(ledger)) == [(name,) for name in names]


@pytest.mark.parametrize("address", ["localhost:30000", "127.0.0.1", "127.0.0.1:99999", "[fe80::1%eth0]:443"])
def test_what_is_no_address_is_refused(environment, tmp_path, address):
    done = serve(environment, tmp_path, address)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith(f"error: {address} ")
    assert " hint: kelvin-provision config set api.listen 127.0.0.1:30000\n" in done.stderr


def test_it_speaks_http_here_and_tls_where_others_can_reach_it(start, state):
    """One process; the certificate is made at the first start, and kept at the second."""
    api = start("--listen", "127.0.0.1:0", listen="0.0.0.0:0")
    secure, plain = re.fullmatch(r"listening on https://0\.0\.0\.0:(\d+), http://127\.0\.0\.1:(\d+)\n", api.said).groups()
    chain, authority = files.issued(state), files.authority(state)
    said = [api.process.stderr.readline() for _ in range(2)]
    assert said == [f"certificate SHA-256 {chain.leaf.fingerprint}\n", f"authority SHA-256 {authority.leaf.fingerprint}\n"]
    assert (api.client.port, api.client.ask("GET", "/healthz").body) == (int(secure), b"ok\n")
    assert Client(int(plain)).ask("GET", "/metadata").json["authentication"]["url"] == f"http://127.0.0.1:{plain}"
    assert api.end() == 0
    again = start(listen="0.0.0.0:0")
    assert again.process.stderr.readline() == said[0]
    assert again.end() == 0


def test_a_terminal_gets_the_address_as_a_qr_code(environment, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kelvin_provision", "api", "serve", "--listen", "0.0.0.0:0"]
    more = {"TERM": "xterm", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(command, env=environment | more, cwd=tmp_path, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while b"authority SHA-256" not in said:
            said += os.read(ours, 65536)
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
        os.close(ours)
    drawn = said.decode().partition("listening on https://0.0.0.0:")[0].splitlines()
    assert set("".join(drawn)) == set(" ▄▀█")
    assert len({len(line) for line in drawn}) == 1


def test_http_elsewhere_is_for_who_insists(start, tmp_path):
    (tmp_path / "site.yaml").write_text("api: {insecure: true}\n")
    api = start(listen="0.0.0.0:0", KELVIN_PROVISION_SITE_CONFIG=str(tmp_path / "site.yaml"))
    assert api.url.startswith("http://")
    assert api.process.stderr.readline().startswith(f"warning: http://0.0.0.0:{api.client.port} has no TLS: passwords can be read")
    assert api.client.ask("GET", "/healthz").status == 200


def test_without_a_library_for_certificates_it_says_what_to_install(environment, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['cryptography'] = None\n")
    done = serve(environment | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, tmp_path, "0.0.0.0:0")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr == "error: certificates need cryptography\n hint: pip install 'kelvin-provision[api]'\n"


def test_an_address_in_use_is_said_to_be_so(environment, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serve(environment, tmp_path, address)
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.startswith(f"error: cannot listen on {address}: it is in use\n hint: who listens there: ss -ltnp, or choose")


def serve(environment, folder, address):
    command = [sys.executable, "-m", "kelvin_provision", "api", "serve", "--listen", address]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_without_its_libraries_it_says_what_to_install(environment, tmp_path):
    """As on a box where the program was installed without the extra: they cannot be imported."""
    hidden = "import sys\nfor name in ('starlette', 'uvicorn', 'jinja2', 'prometheus_client'):\n    sys.modules[name] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    done = serve(environment | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, tmp_path, "127.0.0.1:0")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr == "error: the API needs starlette, uvicorn, jinja2, prometheus_client\n hint: pip install 'kelvin-provision[api]'\n"
