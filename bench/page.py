"""The pages: how soon a telephone shows them, what comes over the network, what they cost the box, and how soon they show a change."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import docker

from bench import idle
from bench.measure import Row, cpu_of, require
from kelvin_provision.cluster.labels import OWNER
from tests.kit.api import PASSWORD
from tests.kit.api_process import ApiProcess, environment
from tests.kit.many import many
from tests.kit.servers.dockerd import own_dockerd, why_not

WORKLOADS = 1000
ROWS = 50
ROUNDS = 7
SLOWED = 4
"""How many times slower the processor of the telephone is than this one."""
REQUESTS, STREAMS = 200, 30
CHANGES = 5
FEW = 6
"""Workloads on the engine; the time until a change is shown does not depend on it."""
QUIET = 4.0
"""Seconds with nothing under way before a change."""
TELEPHONE = {"width": 360, "height": 740}
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_BYTES = (
    """['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind)).reduce((sum, each) => sum + each.transferSize, 0)"""
)
_QUIET = "() => performance.getEntriesByType('resource').length >= 3"


def missing() -> str:
    """Why the pages cannot be measured here; empty if they can."""
    return "" if shutil.which("chromium") else "chromium is not installed"


def rows(folder: Path) -> Iterator[Row]:
    """The list of workloads: its first page of a thousand."""
    place = folder / "page"
    many(place / "state" / "ledger.db", WORKLOADS, staged=ROWS)
    with browser() as chromium, served(place, "0.0.0.0:0") as api:  # only there it speaks TLS
        cold, warm, size = paints(chromium, f"https://127.0.0.1:{api.secure_port}")
        what = f"page of {ROWS} rows over TLS, processor slowed {SLOWED} times"
        yield Row(f"{what}: first paint", f"{cold:.2f} s", f"{warm:.2f} s", cold, 1.0, "s")
        yield Row("  with what the browser has kept", f"{warm:.2f} s", f"{cold:.2f} s", warm, 0.4, "s")
        yield Row("  everything that is transferred", f"{size:.1f} KB", "-", size, 30.0, "KB")
    with served(place, "127.0.0.1:0") as api:
        cost = rendering(api)
        yield Row(f"page of {ROWS} of {WORKLOADS} workloads: processor time", f"{cost:.1f} ms", "-", cost, 20.0, "ms")
        cost = listening(api)
        yield Row(f"  a page of {WORKLOADS} workloads that starts to listen", f"{cost:.1f} ms", "-", cost, 20.0, "ms")
    if not why_not():
        yield from changes(folder)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def served(place: Path, listen: str, **more: str) -> Iterator[ApiProcess]:
    api = ApiProcess(place / "state", environment(place) | more, place, listen=listen)
    try:
        yield api
    finally:
        api.end()


# --- a telephone ------------------------------------------------------------------------------------


def paints(chromium: Any, url: str) -> tuple[float, float, float]:
    """Medians in seconds of the first time and of the next, and kilobytes of the first."""
    state = session(chromium, url)
    first: list[float] = []
    again: list[float] = []
    sizes: list[float] = []
    for _ in range(ROUNDS):
        context = chromium.new_context(viewport=TELEPHONE, ignore_https_errors=True, base_url=url, storage_state=state)
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        for times in (first, again):
            page.goto("/ui/")
            page.wait_for_function(_QUIET)
            require(page.locator("tbody tr").count() == ROWS, "the page has not all of its rows")
            times.append(page.evaluate(_PAINT) / 1000)
            if times is first:
                sizes.append(page.evaluate(_BYTES) / 1000)
        context.close()
    return statistics.median(first), statistics.median(again), statistics.median(sizes)


def session(chromium: Any, url: str) -> Any:
    """The cookie of a login, for browsers that have nothing else."""
    context = chromium.new_context(ignore_https_errors=True, base_url=url)
    log_in(context.new_page())
    state = context.storage_state()
    context.close()
    return state


def log_in(page: Any) -> None:
    page.goto("/ui/login")
    page.fill("[name=username]", "operate")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("h1")


# --- the box ----------------------------------------------------------------------------------------


def rendering(api: ApiProcess) -> float:
    """Milliseconds of processor time for one page."""
    connection, headers = _session_of(api)
    for _ in range(10):
        _page(connection, headers)
    before = cpu_of(api.process.pid)
    for _ in range(REQUESTS):
        _page(connection, headers)
    return 1000 * (cpu_of(api.process.pid) - before) / REQUESTS


def listening(api: ApiProcess) -> float:
    """Milliseconds of processor time until a page that begins to listen knows that it listens."""
    _, headers = _session_of(api)
    with contextlib.closing(_stream(api, headers)):
        before = cpu_of(api.process.pid)
        for _ in range(STREAMS):
            _stream(api, headers).close()
        return 1000 * (cpu_of(api.process.pid) - before) / STREAMS


def _session_of(api: ApiProcess) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", api.client.port, timeout=60)
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/ui/login", urlencode({"username": "operate", "password": PASSWORD}), headers)
    with connection.getresponse() as answer:
        answer.read()
        cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
    require(cookie.startswith("kp="), f"the login was refused: {answer.status}")
    return connection, {"Cookie": cookie}


def _page(connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
    connection.request("GET", "/ui/", headers=headers)
    with connection.getresponse() as answer:
        body = answer.read()
    require(body.count(b'<tr id="w-') == ROWS, body[:500])


def _stream(api: ApiProcess, headers: dict[str, str]) -> http.client.HTTPConnection:
    """A connection on which the first event has come."""
    connection = http.client.HTTPConnection("127.0.0.1", api.client.port, timeout=60)
    connection.request("GET", "/ui/events", headers=headers)
    answer = connection.getresponse()
    require(answer.status == 200, answer.status)
    while answer.readline() != b"event: changed\n":
        pass
    return connection


# --- what happens on the cluster --------------------------------------------------------------------


def changes(folder: Path) -> Iterator[Row]:
    """A container is stopped, and an open page shows it: engine, agent, ledger, API, browser. The slowest of several."""
    place = folder / "page-change"
    place.mkdir()
    with own_dockerd(place, prefix=26) as engine:
        with idle.box(place, engine) as ctx:
            idle.run_all(ctx, place, FEW)
        engine_of = {"DOCKER_HOST": engine.url, "KELVIN_PROVISION_SITE_CONFIG": str(place / "config.yaml")}
        with idle.agent(place, place / "state"), served(place, "127.0.0.1:0", **engine_of) as api, browser() as chromium:
            slowest = max(shown_after(chromium, api, engine.url))
    yield Row("a container is stopped, until an open page says so", f"{slowest:.2f} s", "-", slowest, 2.0, "s")


def shown_after(chromium: Any, api: ApiProcess, engine: str) -> Iterator[float]:
    """Seconds until the page shows it, for one container after the other."""
    page = chromium.new_context(viewport=TELEPHONE, base_url=api.url).new_page()
    log_in(page)
    time.sleep(3 * QUIET)  # an agent that has just started has looked a lot, and pauses
    with contextlib.closing(docker.APIClient(engine, timeout=60)) as client:
        for number in range(CHANGES):
            name = f"idle-{number:02}"
            row = page.locator(f"#w-{name} .sign").first
            row.get_by_text("Running").wait_for(timeout=120_000)
            time.sleep(QUIET)
            (container,) = client.containers(filters={"label": f"{OWNER}={name}"})
            began = time.monotonic()
            threading.Thread(target=client.stop, args=(container["Id"], 0)).start()
            page.wait_for_function(
                "name => !document.getElementById(`w-${name}`).textContent.includes('Running')", arg=name, polling=20, timeout=60_000
            )
            yield time.monotonic() - began
