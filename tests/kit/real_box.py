"""The program as a person on one box has it: every command is a process of its own, on a real engine."""

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.queries.items import item_of
from kelvin_provision.queries.listing import Query, page
from tests.kit import forking
from tests.kit.images import busybox, make_image, program, push, web_image
from tests.kit.servers.process import dying_with_us
from tests.kit.waiting import until

ROOT = Path(__file__).parents[2]
_NUMBERS = itertools.count(1)
NAMESPACE = "KELVIN_PROVISION_CLUSTER__NAMESPACE"


class Box:
    """The program as a person on one box has it; every command is a process of its own. `app` is what its workloads run."""

    def __init__(self, folder, registry, settings, app="web"):
        self.folder = folder
        self.registry = registry
        self.settings = settings
        self.app = app
        self.state = folder / "state"
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        self.environment = kept | settings | {
            "PYTHONPATH": str(ROOT),
            "KELVIN_PROVISION_STATE_DIR": str(self.state),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none.yaml"),
            "KELVIN_PROVISION_REGISTRY": registry,
            "KELVIN_PROVISION_CLUSTER__NAME": "edge",
            "KELVIN_PROVISION_APPLY__SETTLE": "2",
        }  # fmt: skip

    def beside(self, number):
        """One more box on the same engine, with a state, a namespace and images of its own. Names of workloads must differ, too."""
        folder, app = self.folder / f"box-{number}", f"{self.app}-{number}"
        folder.mkdir()
        push_versions(self.registry, app)
        namespace = {key: f"{value}-{number}" for key, value in self.settings.items() if key == NAMESPACE}
        return Box(folder, self.registry, self.settings | namespace, app)

    def start(self, *words, **more):
        """With an interpreter of its own, for what looks at it or ends it."""
        command = dying_with_us([sys.executable, "-m", "kelvin_provision", *words])
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            **more,
        )

    def run(self, *words, code=0):
        done = self.typed(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def typed(self, *words, module=forking.PROGRAM):
        return forking.run(words, env=self.environment, cwd=self.folder, module=module)

    def json(self, *words, code=0):
        return json.loads(self.run(*words, "--json", code=code)[0])

    def request(self, name, version, *, method="staged-only", **system):
        app = self.app
        probe = {"readiness_probe": {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}}
        payload = {
            "spec_version": "5.0.0", "type": "docker", "name": app, "title": app, "description": app, "version": version,
            "defaults": {"system": {"health_check": probe, **system}, "configuration": {"speed": 3}},
        }  # fmt: skip
        path = self.folder / f"{name}-{version}.json"
        path.write_text(json.dumps({"name": name, "app_name": app, "app_version": version, "payload": payload, "deployment_type": method}))
        return str(path)

    def stage(self, name, version, **more):
        return self.run("workloads", "deploy", "-f", self.request(name, version, **more), "--wait", "--timeout", "110")

    def states(self):
        return _states(self.json("workloads", "list"))

    def peek(self):
        """The same without a process: for waiting, where one after the other would take the time of what is waited for."""
        with Ledger(self.state / "ledger.db") as ledger:
            return _states(page([item_of(workload) for workload in ledger.workloads()], Query()).to_json())

    def agent(self):
        return self.json("agent", "status")["agent"]

    def stop_agent(self):
        """For what plays without one."""
        if holder := process.alive(self.state):
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder["pid"], signal.SIGTERM)
            until(lambda: not process.alive(self.state))

    def undeploy(self, *names):
        """A busy kubelet may need longer for a pod than a command waits: typed again with those that are left, it goes on."""
        until(lambda: self._undeployed(names), seconds=200.0)

    def end(self):
        try:
            self.undeploy(*self.names())
        finally:
            self.stop_agent()
            if NAMESPACE in self.settings:
                remove_namespaces(self.settings["KUBECONFIG"], self.settings[NAMESPACE])

    def names(self):
        with Ledger(self.state / "ledger.db") as ledger:
            return ledger.names()

    def _undeployed(self, names):
        left = [name for name in names if name in self.names()]
        if not left:
            return True
        done = self.typed("workloads", "undeploy", "--yes", *left)
        assert done.returncode in {0, os.EX_TEMPFAIL}, (left, done)
        return done.returncode == 0


def _states(page):
    return {
        item["name"]: (item["app_version"], item["status"]["state"], item["staged"] and item["staged"]["status"]["state"])
        for item in page["data"]
    }


def docker_settings(request):
    return {"DOCKER_HOST": request.getfixturevalue("dockerd"), "KELVIN_PROVISION_CLUSTER__TYPE": "docker"}


def kubernetes_settings(request):
    kubeconfig, socket = (os.environ.get(f"KELVIN_PROVISION_TEST_{name}") for name in ("KUBECONFIG", "CONTAINERD"))
    if not kubeconfig or not socket:
        pytest.skip("KELVIN_PROVISION_TEST_KUBECONFIG and KELVIN_PROVISION_TEST_CONTAINERD are not set")
    if not shutil.which("ctr"):
        pytest.skip("ctr is not installed")
    namespace = f"story-{os.getpid()}-{next(_NUMBERS)}"
    request.addfinalizer(lambda: remove_namespaces(kubeconfig, namespace))
    return {
        "KUBECONFIG": kubeconfig,
        "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes",
        NAMESPACE: namespace,
        "KELVIN_PROVISION_RUNTIME__ADDRESS": socket,
    }


def of_box(namespace, names):
    """Of these names, a box's namespace and those of boxes beside it."""
    return [name for name in names if name == namespace or name.startswith(f"{namespace}-")]


def remove_namespaces(kubeconfig, namespace):
    """Whatever became of the box: also after a test that failed, was cut off, or ended its boxes wrongly."""
    api = Api(kubeconfig=Path(kubeconfig), context=None)
    existing = {item["metadata"]["name"]: item["metadata"] for item in api.list_objects("v1", "Namespace", None, metadata=True)}
    for name in of_box(namespace, existing):
        if "deletionTimestamp" not in existing[name]:
            api.delete("v1", "Namespace", name, None)


@functools.cache
def push_versions(registry, app="web"):
    """1 and 2 answer, 3 dies after a second, 4 is for another kind of machine."""
    for version in ("1.0.0", "2.0.0"):
        push(registry, app, version, web_image(f"{app} {version}"))
    push(registry, app, "3.0.0", program(f": {app}; echo the last words; sleep 1; exit 3"))
    push(registry, app, "4.0.0", make_image([busybox()], architecture="arm64"))
