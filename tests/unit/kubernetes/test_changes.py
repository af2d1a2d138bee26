"""Hearing of changes: what a server may do to a watch, on a server in memory."""

import threading
import time

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, ResourceExpired, ServerBusy
from kelvin_provision.cluster.kubernetes.api.reflector import RetryDelays
from kelvin_provision.cluster.kubernetes.watching.changes import KINDS, changes
from kelvin_provision.cluster.labels import NAMESPACES
from kelvin_provision.errors import ClusterDenied, ClusterRefused, ClusterUnreachable
from tests.kit.waiting import PATIENCE


class FakeWatch:
    """Goes on until closed, or does at once what `script` says."""

    def __init__(self, script):
        self._script, self._closed = list(script), threading.Event()

    def __iter__(self):
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            yield step if isinstance(step, tuple) else (step, {})
        self._closed.wait(PATIENCE)

    def close(self):
        self._closed.set()


class Ending(FakeWatch):
    def __iter__(self):
        yield from ()


SELECTORS = {"app": "kelvin-provision/workload,!kelvin-provision/home", "x": "kelvin-provision/workload,kelvin-provision/home=app"}


def record(*namespaces):
    annotations = {"annotations": {NAMESPACES: ", ".join(namespaces)}} if namespaces else {}
    return {"metadata": {"name": "record", "namespace": "app", **annotations}}


class FakeApi:
    """Pods are watched as the `watches` say, one after the other; everything else in silence."""

    def __init__(self, *watches, away=0):
        self.watches, self.away, self.listed, self.watched = list(watches), away, 0, []
        self.places, self.records, self.new_records = set(), [], None

    def namespaced(self, api_version, kind):
        if self.away:
            self.away -= 1
            raise ClusterUnreachable("no answer")
        return True

    def list_for_watch(self, api_version, kind, namespace, selector="", fields="", *, metadata=False):
        assert (selector, metadata) == (SELECTORS[namespace], True)
        self.listed += kind == "Pod"
        self.places.add((kind, namespace))
        return (list(self.records) if kind == "ConfigMap" else []), str(self.listed)

    def watch(self, api_version, kind, namespace, version, *, selector="", fields="", metadata=False):
        self.watched.append((kind, version, selector, metadata))
        if kind == "Pod" and self.watches:
            next_watch = self.watches.pop(0)
            if isinstance(next_watch, Exception):
                raise next_watch
            return next_watch
        if kind == "ConfigMap" and self.new_records:
            return self.new_records.pop()
        return FakeWatch(())


FAST = RetryDelays(relist=0.02, first=0.02, cap=0.02)


def count_changes(api, enough, seconds=PATIENCE):
    """How often it said that something has changed, until `enough` of the fake."""
    deadline, count = time.monotonic() + seconds, 0
    for changed in changes(api, "app", lambda: enough() or time.monotonic() > deadline, delays=FAST, tick=0.02):
        count += changed
    assert enough()
    return count


def test_one_watch_a_kind_with_our_label_and_without_contents():
    api = FakeApi()
    assert count_changes(api, lambda: len(api.watched) == len(KINDS) + 1) >= 0
    assert {kind for kind, *_ in api.watched} == {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "ConfigMap"}
    assert {tuple(rest) for _, _, *rest in api.watched} == {(SELECTORS["app"], True)}


def test_namespaces_that_a_record_names_are_watched_from_then_on():
    api = FakeApi()
    api.records = [record("x")]
    count_changes(api, lambda: {("Pod", "app"), ("Pod", "x"), ("Job", "x")} <= api.places)
    api, changed = FakeApi(), ("MODIFIED", record("x"))
    api.new_records = [FakeWatch([changed])]
    count_changes(api, lambda: ("Pod", "x") in api.places)


def test_without_permission_to_watch_records_the_rest_is_watched():
    api = FakeApi(FakeWatch(["MODIFIED"]))
    api.new_records = [FakeWatch([ClusterDenied("no")])]
    count_changes(api, lambda: len(api.watched) > len(KINDS))


@pytest.mark.parametrize(
    "first",
    [
        FakeWatch([ResourceExpired("too old resource version")]),
        Ending(()),
        FakeWatch([ClusterUnreachable("the line broke")]),
        FakeWatch([ServerBusy("later")]),
    ],
    ids=["forgotten version", "ended by the server", "broken line", "busy"],
)
def test_a_watch_that_ends_is_listed_and_begun_anew(first):
    api = FakeApi(first, FakeWatch(["MODIFIED"]))
    count_changes(api, lambda: api.listed >= 2 and len([1 for kind, *_ in api.watched if kind == "Pod"]) >= 2)
    assert [version for kind, version, *_ in api.watched if kind == "Pod"][:2] == ["1", "2"]


def test_a_bookmark_is_no_change():
    api = FakeApi(FakeWatch(["BOOKMARK"] * 100))
    began = time.monotonic()
    assert count_changes(api, lambda: time.monotonic() - began > 0.3) <= len(KINDS)


def test_a_cluster_that_is_away_at_the_beginning_is_waited_for():
    api = FakeApi(away=3)
    assert count_changes(api, lambda: len(api.watched) > len(KINDS)) >= 3


def test_a_watch_that_is_refused_is_the_end():
    with pytest.raises(ClusterDenied, match="no"):
        count_changes(FakeApi(ClusterDenied("no")), lambda: False)
    with pytest.raises(ClusterRefused, match="watching Pod: what"):
        count_changes(FakeApi(Rejected("unknown-kind", "what")), lambda: False)
