"""How long no pod of a workload was ready, as the API server tells it."""

import contextlib
import threading
import time
from pathlib import Path

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import OWNER


class ReadyPods(threading.Thread):
    """Watches the pods of one namespace, which has one workload."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        super().__init__(name=f"pods of {namespace}", daemon=True)
        self._api, self._namespace = Api(kubeconfig=kubeconfig, context=None), namespace
        self._ready: set[str] = set()
        self._gaps: list[tuple[float, float]] = []
        self._none_since: float | None = time.monotonic()
        self._over = False
        self._watch = None

    def run(self) -> None:
        while not self._over:
            with contextlib.suppress(Exception):  # it is opened again; what is ready then counts
                self._follow()
            time.sleep(0.05)

    def _follow(self) -> None:
        pods, version = self._api.list_for_watch("v1", "Pod", self._namespace, OWNER)
        self._now({pod["metadata"]["uid"] for pod in pods if _is_ready(pod)})
        self._watch = self._api.watch("v1", "Pod", self._namespace, version, selector=OWNER)
        for what, pod in self._watch:
            if what != "BOOKMARK":
                uid = pod["metadata"]["uid"]
                self._now(self._ready | {uid} if what != "DELETED" and _is_ready(pod) else self._ready - {uid})

    def _now(self, ready: set[str]) -> None:
        now = time.monotonic()
        if self._none_since is not None and ready:
            self._gaps.append((self._none_since, now))
            self._none_since = None
        if self._none_since is None and not ready:
            self._none_since = now
        self._ready = ready

    @property
    def any(self) -> bool:
        return bool(self._ready)

    def longest_gap(self, since: float) -> float:
        now = time.monotonic()
        gaps = [*self._gaps, (self._none_since or now, now)]
        return max(max(0.0, end - max(begin, since)) for begin, end in gaps)

    def end(self) -> None:
        self._over = True
        if self._watch:
            self._watch.close()


def _is_ready(pod) -> bool:
    conditions = {item["type"]: item["status"] for item in pod.get("status", {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and not pod["metadata"].get("deletionTimestamp")
