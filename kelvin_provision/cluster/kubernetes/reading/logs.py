"""Finds and opens the container logs of a workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes.api.client import Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import namespaces, of_workload
from kelvin_provision.cluster.kubernetes.judge.failures import container_statuses
from kelvin_provision.cluster.kubernetes.judge.observation import is_alive
from kelvin_provision.cluster.logs.follow import stream
from kelvin_provision.cluster.logs.lines import LogLine, parse
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources
from kelvin_provision.spec.workload import Object


def logs(api: Api, namespace: str, workload: str, options: LogOptions, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs."""
    places = namespaces(api, namespace, workload)

    def list_sources() -> LogSources:
        pods = of_workload(api, namespace, workload, ("v1", "Pod"), at=places)
        pods.sort(key=lambda pod: (str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]))
        sources = [source for pod in pods for source in _sources_of(api, namespace, pod, options)]
        return LogSources(sources, any(map(is_alive, pods)))

    return stream(list_sources, options, stop)


def _sources_of(api: Api, namespace: str, pod: Object, options: LogOptions) -> Iterator[LogSource]:
    """Yield the containers that have started; with `previous`, those that have restarted. Pods elsewhere have names with a namespace."""
    name, place = pod["metadata"]["name"], pod["metadata"].get("namespace") or namespace
    shown = name if place == namespace else f"{place}/{name}"
    for status in container_statuses(pod):
        run = str(status.get("containerID") or "")
        if not run or (options.previous and not status.get("restartCount")):
            continue
        container = str(status["name"])

        def open_log(tail: int | None, since: str | None, container: str = container) -> _Stream:
            start = timestamps.normalized(since) if since else ""
            whole_seconds = f"{start[:19]}Z" if start else ""  # the API ignores fractions; `parse` drops earlier lines
            response = None
            with suppress(Rejected):  # the container is being created, or was deleted
                response = api.log_stream(
                    place, name, container, tail=tail, since=whole_seconds, previous=options.previous, follow=options.follow
                )
            return _Stream(shown, container, start, response)

        yield LogSource(f"{shown}/{container}", run, "running" in (status.get("state") or {}), open_log)


class _Stream:
    """A LogStream; empty without a response."""

    def __init__(self, pod: str, container: str, since: str, response: Watch | None) -> None:
        self._pod, self._container, self._since = pod, container, since
        self._response = response

    def __iter__(self) -> Iterator[LogLine]:
        return parse(self._pod, self._container, self._response.chunks(), since=self._since) if self._response else iter(())

    def close(self) -> None:
        if self._response:
            self._response.close()
