"""The REST API: its lists under load, its memory, its processor time, and how long it takes to start."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench import idle
from bench.measure import Row, cpu_of, program, require, resident
from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from tests.kit.confirmation import CONFIRMED
from tests.kit.many import many
from tests.kit.servers.dockerd import own_dockerd, why_not

WORKLOADS = 1000
CLIENTS, SECONDS = 50, 15
STARTS = 7
WARM_REQUESTS, REQUESTS = 2_000, 10_000
PATIENCE = 20.0
_PASSWORD = "Secret123"  # noqa: S105  (of a box that is made here)
LIST = "/api/v4/workloads/list"
_MIXED = (LIST, f"{LIST}?page_size=100", "/api/v4/workloads/{}/get", "/edge/v1/history?limit=50", "/edge/v1/orders", "/workloads/list")


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    return "" if shutil.which("wrk") else "wrk is not installed"


def rows(folder: Path) -> Iterator[Row]:
    """Latencies need a machine with nothing else to do; processor times and memory do not."""
    place = folder / "api"
    many(place / "state" / "ledger.db", WORKLOADS)
    yield from _starts(place)
    with served(place) as api:
        load = loaded(api, LIST)
        what = f"API, list of {WORKLOADS}, a page of 20, {CLIENTS} clients"
        rate = f"{load.requests / SECONDS:.0f}/s"
        yield Row(f"{what}: p50", f"{load.p50:.1f} ms", rate, load.p50, 40.0, "ms")
        yield Row(f"{what}: p99", f"{load.p99:.1f} ms", rate, load.p99, 150.0, "ms")
        yield Row(f"{what}: processor time a request", f"{load.cpu:.2f} ms", rate, load.cpu, 0.6, "ms")
        load = loaded(api, f"{LIST}?page_size={WORKLOADS}")
        yield Row(f"API, the same as one page of {WORKLOADS}: processor time", f"{load.cpu:.2f} ms", "-", load.cpu, 0.8, "ms")
        memory = resident(api.pid)
        yield Row(f"API after that load, {WORKLOADS} workloads: resident memory", f"{memory:.1f} MiB", "-", memory, 50.0, "MiB")
    if not why_not():
        yield from _idle(folder)


# --- a served box -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    pid: int
    port: int
    token: str

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def get(self, connection: http.client.HTTPConnection, path: str) -> bytes:
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        body = answer.read()
        require(answer.status == 200, f"{path}: {answer.status} {body[:500]!r}")
        return body


def started(place: Path, port: int) -> subprocess.Popen[bytes]:
    words = ("api", "serve", "--listen", f"127.0.0.1:{port}", "--state-dir", str(place / "state"), "--config", str(_config(place)))
    environment = {**os.environ, "HOME": str(place)}
    return subprocess.Popen(program(*words), env=environment, cwd="/", stdin=subprocess.DEVNULL, stderr=(place / "api.log").open("wb"))


def _config(place: Path) -> Path:
    """That of the box, or one without a cluster that answers."""
    path = place / "config.yaml"
    if not path.exists():
        path.write_text("cluster: {type: docker}\nruntime: {type: docker, address: 'unix:///nonexistent/docker.sock'}\n")
    return path


@contextmanager
def served(place: Path, level: Level = Level.READ) -> Iterator[Served]:
    """The API of the box in `place`, and a token for it."""
    users = Users(place / "state", lambda: "2026-11-23T00:00:00Z")
    if not users.find("bench"):
        users.add("bench", _PASSWORD, level, CONFIRMED)
    port = free_port()
    process = started(place, port)
    try:
        _first_answer(port)
        yield Served(process.pid, port, _token(port))
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _first_answer(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/healthz")
            require(connection.getresponse().read() == b"ok\n", "the API is not well")
        except ConnectionRefusedError:
            require(time.monotonic() < deadline, "the API does not answer")
            time.sleep(0.005)
        else:
            return


def _token(port: int) -> str:
    body = urlencode({"grant_type": "password", "username": "bench", "password": _PASSWORD})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/auth/realms/kelvin/protocol/openid-connect/token", body, headers)
    return str(json.loads(connection.getresponse().read())["access_token"])


# --- load -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """`p50`, `p99` and `cpu`, the processor time of the API for one request, in milliseconds."""

    requests: int
    p50: float
    p99: float
    cpu: float


def loaded(api: Served, path: str) -> Load:
    """By wrk, with connections that stay open."""
    words = ["wrk", "-t2", f"-c{CLIENTS}", f"-d{SECONDS}s", "--timeout", "10s", "--latency", "-H", f"Authorization: Bearer {api.token}"]
    before = cpu_of(api.pid)
    done = subprocess.run([*words, f"http://127.0.0.1:{api.port}{path}"], capture_output=True, text=True, check=True)
    spent = cpu_of(api.pid) - before
    require(not re.search(r"Non-2xx|Socket errors", done.stdout), done.stdout)
    requests = int(_found(r"(\d+) requests in", done.stdout)[1])
    return Load(requests, _latency(done.stdout, 50), _latency(done.stdout, 99), 1000 * spent / requests)


def _latency(text: str, part: int) -> float:
    match = _found(rf"^\s+{part}%\s+([0-9.]+)(us|ms|s)$", text)
    return float(match[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match[2]]


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text, re.MULTILINE)
    return match or sys.exit(f"unknown output: {text}")


def _starts(place: Path) -> Iterator[Row]:
    """From the command to the first answer: the command line, the ledger, the framework."""
    waits, times = [], []
    for _ in range(STARTS):
        port, began = free_port(), time.perf_counter()
        process = started(place, port)
        try:
            _first_answer(port)
            waits.append(time.perf_counter() - began)
            times.append(cpu_of(process.pid))
        finally:
            process.terminate()
            process.wait()
    wait, used = statistics.median(waits), statistics.median(times)
    yield Row("API, from its start to the first answer", f"{wait:.2f} s", "-", wait, 0.8, "s")
    yield Row("  its processor time until then", f"{used:.2f} s", "-", used, 0.5, "s")


# --- with nothing to do -----------------------------------------------------------------------------


def _idle(folder: Path) -> Iterator[Row]:
    """Beside the agent, with the workloads of `idle`."""
    place = folder / "api-idle"
    place.mkdir()
    with own_dockerd(place, prefix=26) as engine:
        with idle.box(place, engine) as ctx:
            idle.run_all(ctx, place)
        with idle.agent(place, place / "state") as agent, served(place) as api:
            yield _growth(api)
            time.sleep(idle.WARM)
            before, began = cpu_of(api.pid), time.monotonic()
            time.sleep(idle.MEASURED)
            share = 100 * (cpu_of(api.pid) - before) / (time.monotonic() - began)
            own, both = resident(api.pid), resident(api.pid) + resident(agent)
    what = f"with {idle.WORKLOADS} workloads"
    yield Row(f"API and agent idle {what}: resident memory", f"{both:.1f} MiB", "-", both, 80.0, "MiB")
    yield Row(f"API idle {what}: resident memory", f"{own:.1f} MiB", "-", own, 38.0, "MiB")
    yield Row(f"API idle {what}: of one core", f"{share:.2f} %", "-", share, 0.2, "%")


def _growth(api: Served) -> Row:
    """Of all kinds of questions, after as many that warm it up."""
    connection = api.connection()
    names = [item["name"] for item in json.loads(api.get(connection, f"{LIST}?page_size=100"))["data"]]
    _ask(api, connection, names, WARM_REQUESTS)
    before = resident(api.pid)
    _ask(api, connection, names, REQUESTS)
    grown = resident(api.pid) - before
    return Row(f"API, growth of memory by {REQUESTS} requests", f"{grown:.1f} MiB", f"{before:.1f} MiB", grown, 2.0, "MiB")


def _ask(api: Served, connection: http.client.HTTPConnection, names: Sequence[str], count: int) -> None:
    for number in range(count):
        api.get(connection, _MIXED[number % len(_MIXED)].format(names[number % len(names)]))
