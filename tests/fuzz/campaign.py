"""One run of schemathesis against the real process of the API, with the agent of the kit beside it, while the workloads live on."""

import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from kelvin_provision.access.levels import Level
from kelvin_provision.api.description.examples import DEPLOY_EXAMPLE
from tests.fuzz.rules import DOCUMENTS
from tests.kit import fake_agent
from tests.kit.api_process import ROOT, ApiProcess

HERE = Path(__file__).parent
MOST_MEMORY = 4_000_000 << 10
"""A document with hostile references has made such a fuzzer take 24 GB."""
PHASES = {"examples,coverage": 0.5, "fuzzing": 0.3, "stateful": 0.2}
"""With their shares of the time: schemathesis would give all of it to the first ones."""
BRIEF = "".join(f'[[operations]]\ninclude-path-regex = "{path}$"\nphases.coverage.enabled = false\n\n' for path in DOCUMENTS)
"""Each deploy is a process, which takes half a second: a short run has some, but not every value of every key."""


@dataclass(frozen=True)
class Outcome:
    """`errors` is what the API wrote to its log: nothing, unless there is a fault of ours."""

    passed: bool
    report: str
    errors: str


def fuzz(folder, *, seconds, seed, examples, brief=False, phases=tuple(PHASES), more=()):
    """`more` are words for schemathesis."""
    config = folder / "schemathesis.toml"
    config.write_text((HERE / "schemathesis.toml").read_text("utf-8") + (BRIEF if brief else ""))
    words = ("--seed", str(seed), "--max-examples", str(examples), *more)
    with fake_agent.beside(folder):
        api = ApiProcess(folder / "state", fake_agent.environment(folder), folder)
        try:
            with _alive(api):
                runs = [_run(api, config, max(int(seconds * PHASES[phase]), 1), ("--phases", phase, *words)) for phase in phases]
        finally:
            code = api.end()
        assert code == 0, f"the API ended with {code}"
    report = "".join(run.stdout for run in runs)
    return Outcome(not any(run.returncode for run in runs), report, api.complaints)


def _run(api, config, seconds, words):
    token = api.client.as_level(Level.ADMIN)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{api.url}/openapi.json"),
        *("-H", f"Authorization: Bearer {token}", "--max-time", str(seconds), *words),
    ]
    return subprocess.run(
        command, cwd=config.parent, env={**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_TOKEN": token}, preexec_fn=_limited,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds * 3 + 120, check=False,
    )  # fmt: skip


def _limited():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


@contextmanager
def _alive(api):
    """Deploys and applies again what the fuzzer has removed, so that there is something to break."""
    ended = threading.Event()

    def keep():
        number = 0
        while not ended.wait(1.0):
            number += 1
            with suppress(OSError, HTTPException):
                here = {item["name"] for item in api.client.get("/api/v4/workloads/list?page_size=1000").json["data"]}
                for name in {"motor-speed", "pump", "fan", "valve"} - here:
                    body = DEPLOY_EXAMPLE | {"name": name, "app_version": f"1.0.{number}"}
                    api.client.post("/api/v4/workloads/deploy", body)
                for name in ("motor-speed", "pump"):
                    api.client.post("/api/v4/workloads/apply", {"workload_names": [name]})

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
