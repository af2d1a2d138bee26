"""One kind, listed and watched again and again, on a server that comes and goes."""

import queue

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, ResourceExpired, ServerBusy
from kelvin_provision.cluster.kubernetes.api.reflector import Reflector, RetryDelays, Selection
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.errors import ClusterUnreachable
from tests.kit.fakes.kubernetes_api import LATE, Lasting, ScriptedApi
from tests.kit.waiting import PATIENCE, ended

FAST = RetryDelays(relist=0.01, first=0.01, cap=0.02)
PODS = Selection("v1", "Pod", "app", selector="a=b")


@pytest.mark.parametrize(
    ("ending", "unreachable"),
    [(ResourceExpired("too old"), []), (ClusterUnreachable("no answer"), ["no answer"]), (ServerBusy("later"), ["later"])],
)
def test_a_watch_that_breaks_is_listed_and_watched_again(ending, unreachable):
    events, server = queue.SimpleQueue(), ScriptedApi([ending])
    reflector = Reflector(server, PODS, events.put, FAST)
    reflector.start()
    received = [events.get(timeout=PATIENCE) for _ in range(3 + len(unreachable))]
    reflector.close()
    ended(reflector)
    assert server.lists == 2
    assert [event.changed for event in received if event.changed] == [LATE]
    assert [event.unreachable for event in received if event.unreachable] == unreachable


def test_a_refusal_is_handed_on_and_ends_the_reflector():
    received = []
    Reflector(ScriptedApi([Rejected("denied", "no")]), PODS, received.append, FAST).run()
    assert [str(event.error) for event in received if event.error] == ["no"]


def test_a_reflector_that_is_closed_reports_no_broken_line():
    received, server = [], ScriptedApi()
    reflector = Reflector(server, PODS, received.append, FAST)

    class Broken(Lasting):
        def __iter__(self):
            self.closed.wait(10)
            raise ClusterUnreachable("the line broke")

    server.watch = lambda *_, **__: Broken()
    reflector.start()
    while not received:
        pass
    reflector.close()
    ended(reflector)
    assert [event for event in received if event.unreachable or event.error] == []


def test_a_store_follows_the_events():
    store = Store()
    store.apply(WatchEvent("Pod", unreachable="no answer"))
    assert store.unreachable == {("Pod", ""): "no answer"}
    store.apply(WatchEvent("Pod", changed=("ADDED", {"metadata": {"name": "a"}})))
    assert (store.all("Pod"), store.unreachable) == ([{"kind": "Pod", "metadata": {"name": "a"}}], {})
    store.apply(WatchEvent("Pod", changed=("DELETED", {"metadata": {"name": "a"}})))
    assert store.all("Pod") == []
    store.apply(WatchEvent("Pod", listed=({"metadata": {"name": "b"}},)))
    assert (store.get("Pod", "b"), store.get("Pod", "a")) == ({"metadata": {"name": "b"}}, None)
    elsewhere = {"metadata": {"name": "b", "namespace": "x"}}
    store.apply(WatchEvent("Pod", listed=(elsewhere,), namespace="x"))
    assert (store.get("Pod", "b", "x"), store.get("Pod", "b")) == (elsewhere, {"metadata": {"name": "b"}})
    with pytest.raises(Rejected):
        store.apply(WatchEvent("Pod", error=Rejected("denied", "no")))
