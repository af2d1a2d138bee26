"""`make demo`. Everything it starts it stops again; everything it writes lies in one temporary folder."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from demo.engine import Missing, cluster_settings
from tests.kit.images import push, web_image
from tests.kit.servers.registry import docker_registry

NAME, PORT = "demo-motor-speed", 31880
TIMES = {"started": time.monotonic()}


def say(text: str = "") -> None:
    """One plain line, with the seconds since the start."""
    print(f"[{time.monotonic() - TIMES['started']:5.1f} s] {text}" if text else "", flush=True)


def tool(*words: str, environment: dict[str, str], quiet: bool = False) -> str:
    """Run our program the way a person would; show the command and what it says."""
    if not quiet:
        print(f"         $ kelvin-provision {shlex.join(words)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "kelvin_provision", *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if not quiet:
        print("".join(f"           {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode:
        raise SystemExit(f"kelvin-provision {words[0]} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def answer() -> str:
    """What a client of the workload gets now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as page:
        body: bytes = page.read()
    return body.decode().strip()


def request(version: str) -> str:
    """The body of `POST /workloads/deploy`, as a person would write it."""
    port = {"name": "http", "type": "service", "service": {"port": 8080, "exposed": True, "exposed_port": PORT}}
    probe = {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}
    payload = {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": "motor-speed",
        "title": "Motor Speed",
        "description": "A page that says its version.",
        "version": version,
        "defaults": {"system": {"ports": [port], "health_check": {"readiness_probe": probe}}, "configuration": {"speed": 3}},
    }
    return json.dumps(
        {
            "name": NAME,
            "title": "Demo",
            "app_name": "motor-speed",
            "app_version": version,
            "payload": payload,
            "staged": True,
            "instantly_apply": False,
        }
    )


def stage(version: str, folder: Path, environment: dict[str, str]) -> None:
    """Write the request to a file and deploy it."""
    path = folder / f"motor-speed-{version}.json"
    path.write_text(request(version))
    tool("workloads", "deploy", "-f", str(path), "--wait", environment=environment)


def play(folder: Path, stack: ExitStack) -> None:
    """The whole story."""
    cluster = cluster_settings(folder, stack, say)
    registry = stack.enter_context(ExitStack())
    host = registry.enter_context(docker_registry(folder / "registry"))
    say(f"a registry listens on {host} (loopback)")
    for version in ("1.0.0", "2.0.0"):
        reference = push(host, "motor-speed", version, web_image(f"motor-speed {version}"))
        say(f"made and pushed {reference}")
    environment = os.environ | cluster | {
        "KELVIN_PROVISION_STATE_DIR": str(folder / "state"),
        "KELVIN_PROVISION_SITE_CONFIG": str(folder / "no-site-file.yaml"),
        "KELVIN_PROVISION_REGISTRY": host,
        "KELVIN_PROVISION_APPLY__SETTLE": "2",
    }  # fmt: skip
    stack.callback(clean_up, environment)

    say()
    say("version 1: stage it, then apply it")
    stage("1.0.0", folder, environment)
    tool("workloads", "apply", "-n", NAME, environment=environment)
    before = answer()
    say(f"http://127.0.0.1:{PORT}/ answers: {before}")

    say()
    say("version 2: stage it while version 1 serves")
    stage("2.0.0", folder, environment)
    tool("workloads", "list", environment=environment)
    say(f"http://127.0.0.1:{PORT}/ still answers: {answer()}")

    say()
    registry.close()
    say(f"the registry on {host} is stopped: no image can come from anywhere now")
    tool("workloads", "apply", "-n", NAME, environment=environment)
    tool("workloads", "list", environment=environment)
    after = answer()
    say(f"http://127.0.0.1:{PORT}/ answers: {after}")
    if (before, after) != ("motor-speed 1.0.0", "motor-speed 2.0.0"):
        raise SystemExit(f"that is not what was expected: first {before!r}, then {after!r}")
    say()
    say("cleaning up")


def clean_up(environment: dict[str, str]) -> None:
    """Undeploy; the agent ends by itself when there is nothing left to look after."""
    command = [sys.executable, "-m", "kelvin_provision"]
    subprocess.run([*command, "workloads", "undeploy", "-n", NAME, "--yes"], env=environment, capture_output=True, check=False)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        found = json.loads(tool("agent", "status", "--json", environment=environment, quiet=True))
        if not found["agent"]["alive"]:
            return
        time.sleep(0.2)


def main() -> int:
    """Play it; 0 when version 2 answered in the end."""
    folder = Path(tempfile.mkdtemp(prefix="kelvin-demo-"))
    try:
        with ExitStack() as stack:
            play(folder, stack)
        say("done: version 2 took over with no registry to pull from")
    except Missing as missing:
        print(f"the demo cannot run here: {missing}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
