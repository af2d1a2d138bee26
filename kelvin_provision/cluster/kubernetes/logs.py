"""Logs of a workload's pods: which containers have one, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes.api.client import Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import selector
from kelvin_provision.cluster.kubernetes.judge.failures import container_statuses
from kelvin_provision.cluster.logs.follow import stream
from kelvin_provision.cluster.logs.lines import LogLine, parse
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources
from kelvin_provision.spec.workload import Object


def logs(api: Api, namespace: str, workload: str, options: LogOptions, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs."""

    def list_sources() -> LogSources:
        pods = api.list_objects("v1", "Pod", namespace, selector(workload))
        pods.sort(key=lambda pod: (str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]))
        sources = [source for pod in pods for source in _of_pod(api, namespace, pod, options)]
        lasts = any((pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"} for pod in pods)
        return LogSources(sources, lasts)

    return stream(list_sources, options, stop)


def _of_pod(api: Api, namespace: str, pod: Object, options: LogOptions) -> Iterator[LogSource]:
    """Containers that have begun; or, for earlier runs, that have begun again."""
    name = pod["metadata"]["name"]
    for status in container_statuses(pod):
        run = str(status.get("containerID") or "")
        if not run or (options.previous and not status.get("restartCount")):
            continue
        container = str(status["name"])

        def opened(tail: int | None, since: str | None, container: str = container) -> _Stream:
            start = timestamps.normalized(since) if since else ""
            whole = f"{start[:19]}Z" if start else ""
            answer = None
            with suppress(Rejected):  # it is being made, or is gone again
                answer = api.log_stream(
                    namespace, name, container, tail=tail, since=whole, previous=options.previous, follow=options.follow
                )
            return _Stream(name, container, start, answer)

        yield LogSource(f"{name}/{container}", run, "running" in (status.get("state") or {}), opened)


class _Stream:
    """Lines of one answer; none at all without one."""

    def __init__(self, pod: str, container: str, since: str, answer: Watch | None) -> None:
        self._place = pod, container
        self._since = since
        self._answer = answer

    def __iter__(self) -> Iterator[LogLine]:
        return parse(*self._place, self._answer.chunks(), since=self._since) if self._answer else iter(())

    def close(self) -> None:
        """See LogStream."""
        if self._answer:
            self._answer.close()
