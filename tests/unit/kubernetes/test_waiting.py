"""The judgement over time, on a clock that the test holds, and feeds from a server that comes and goes."""

import queue
import threading

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, ResourceExpired
from kelvin_provision.cluster.kubernetes.waiting import Judge, Reflector, View, WaitCallbacks, WatchEvent, kinds_of, wait
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.protocol import Phase, WaitPolicy
from kelvin_provision.errors import ClusterUnreachable
from kelvin_provision.events import Finished, Started

PATIENCE = WaitPolicy(timeout=0.0, settle=5.0, unschedulable=15.0)
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def deployment(held=0, **status):
    template = {"metadata": {"annotations": {SPEC_HASH: "new"}}, "spec": {}}
    metadata = {"name": "m", "uid": "d", "generation": 1, "resourceVersion": "1"}
    spec = {"minReadySeconds": held, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": DONE | status}


def pod(*conditions, restarts=0, state=None):
    about = {"name": "m-1", "uid": "p", "labels": {OWNER: "m"}, "annotations": {SPEC_HASH: "new"}}
    statuses = [{"name": "c", "restartCount": restarts, "state": state or {"running": {}}}]
    return {"kind": "Pod", "metadata": about, "status": {"conditions": list(conditions), "containerStatuses": statuses}}


def seen(*objects):
    view = View()
    for kind in ("Deployment", "Pod"):
        view.take(WatchEvent(kind, listed=tuple(item for item in objects if item["kind"] == kind)))
    return view


READY = {"type": "Ready", "status": "True"}
UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}


def test_what_is_not_there_is_waited_for():
    health = Judge("m", [deployment()], PATIENCE).look(View(), 0)
    assert (health.phase, health.why) == (Phase.WAITING, "Deployment/m: not there yet")


def test_what_the_cluster_holds_itself_is_up_as_soon_as_it_says_so():
    assert Judge("m", [deployment(held=5)], PATIENCE).look(seen(deployment(held=5), pod(READY)), 0).phase is Phase.READY


def test_what_it_does_not_hold_must_stay_up_for_as_long():
    judge, view = Judge("m", [deployment()], PATIENCE), seen(deployment(), pod(READY))
    assert judge.look(view, 100).why == "m: up, settling for 5 more seconds"
    assert judge.look(view, 104.9).phase is Phase.WAITING
    assert judge.look(view, 105).phase is Phase.READY


def test_a_restart_begins_the_settling_anew():
    judge = Judge("m", [deployment()], PATIENCE)
    judge.look(seen(deployment(), pod(READY)), 100)
    assert judge.look(seen(deployment(), pod(READY, restarts=1)), 104).phase is Phase.WAITING
    assert judge.look(seen(deployment(), pod(READY, restarts=1)), 108).phase is Phase.WAITING
    assert judge.look(seen(deployment(), pod(READY, restarts=1)), 109).phase is Phase.READY


def test_a_trouble_that_may_heal_has_its_time_and_no_more():
    judge, view = Judge("m", [deployment()], PATIENCE), seen(deployment(availableReplicas=0), pod(UNPLACED))
    assert judge.look(view, 0).why == "pod m-1: Unschedulable: no room"
    assert judge.look(view, 14).phase is Phase.WAITING
    assert judge.look(view, 15).phase is Phase.FAILED


def test_a_trouble_that_healed_is_forgotten():
    judge, view = Judge("m", [deployment()], PATIENCE), seen(deployment(availableReplicas=0), pod(UNPLACED))
    judge.look(view, 0)
    judge.look(seen(deployment(availableReplicas=0), pod()), 10)
    assert judge.look(view, 16).phase is Phase.WAITING


def test_a_final_trouble_ends_it_at_once():
    died = {"terminated": {"exitCode": 3, "reason": "Error"}}
    view = seen(deployment(availableReplicas=0), pod(restarts=1, state=died))
    health = Judge("m", [deployment()], PATIENCE).look(view, 0)
    assert (health.phase, health.why) == (Phase.FAILED, "pod m-1: container c ended 2 times, last with exit code 3 (Error)")


def test_a_rollout_that_took_too_long_names_the_pods_own_reason():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
    health = Judge("m", [deployment()], PATIENCE).look(seen(deployment(conditions=[late]), pod(UNPLACED)), 0)
    assert health.why == "Deployment/m: ProgressDeadlineExceeded: late; pod m-1: Unschedulable: no room"


def test_objects_that_nobody_judges_are_ready_when_they_are_applied():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    assert Judge("m", [config], PATIENCE).look(View(), 0).phase is Phase.READY
    assert list(kinds_of({"m": [config, deployment()]})) == [("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Event")]


def test_a_view_learns_and_forgets():
    view = View()
    view.take(WatchEvent("Pod", silent="nobody there"))
    assert view.silent == {"Pod": "nobody there"}
    view.take(WatchEvent("Pod", event=("ADDED", {"metadata": {"name": "a"}})))
    assert (view.all("Pod"), view.silent) == ([{"kind": "Pod", "metadata": {"name": "a"}}], {})
    view.take(WatchEvent("Pod", event=("DELETED", {"metadata": {"name": "a"}})))
    assert view.all("Pod") == []
    with pytest.raises(Rejected):
        view.take(WatchEvent("Pod", error=Rejected("denied", "no")))


class Server:
    """Lists what it was given; each watch ends as scripted, the last one lasts."""

    def __init__(self, endings=(), items=()):
        self.endings, self.given, self.lists = list(endings), list(items), 0

    def namespaced(self, version, kind):
        return True

    def list_for_watch(self, version, kind, namespace, selector, fields):
        self.lists += 1
        return [item for item in self.given if item["kind"] == kind], "1"

    def watch(self, version, kind, namespace, resource_version, *, selector, fields):
        ending = self.endings.pop(0) if self.endings else None
        return Lasting() if ending is None else Ending(ending)


class Lasting:
    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        self.closed.wait(10)
        return iter(())

    def close(self):
        self.closed.set()


class Ending(Lasting):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def __iter__(self):
        yield "BOOKMARK", {}
        yield "ADDED", {"metadata": {"name": "late"}}
        raise self.error


@pytest.mark.parametrize("ending", [ResourceExpired("too old"), ClusterUnreachable("nobody there")])
def test_a_watch_that_breaks_is_listed_and_watched_again(ending):
    news, server = queue.SimpleQueue(), Server([ending])
    feed = Reflector(server, ("v1", "Pod"), "app", news)
    feed.start()
    told = [news.get(timeout=5) for _ in range(3 if isinstance(ending, ResourceExpired) else 4)]
    feed.close()
    feed.join(5)
    assert not feed.is_alive()
    assert server.lists == 2
    assert [item.event for item in told if item.event] == [("ADDED", {"metadata": {"name": "late"}})]
    assert [item.silent for item in told if item.silent] == ([] if isinstance(ending, ResourceExpired) else ["nobody there"])


def test_a_refusal_ends_the_wait():
    news = queue.SimpleQueue()
    feed = Reflector(Server([Rejected("denied", "no")]), ("v1", "Pod"), "app", news)
    feed.run()
    assert [str(item.error) for item in iter(lambda: news.get_nowait() if not news.empty() else None, None) if item.error] == ["no"]


def test_a_wait_says_when_it_begins_and_ends():
    told = []
    wanted = {"m": [deployment(held=5)]}
    patience = WaitPolicy(timeout=5.0, settle=5.0)
    health = wait(Server(items=[deployment(held=5), pod(READY)]), "app", wanted, patience, WaitCallbacks(told.append, lambda: False))
    assert health["m"].phase is Phase.READY
    assert told == [Started("m", "starting"), Finished("m", "running")]


def test_a_wait_that_runs_out_says_what_for():
    health = wait(Server(), "app", {"m": [deployment()]}, PATIENCE, WaitCallbacks(lambda event: None, lambda: False))
    assert (health["m"].phase, health["m"].why) == (Phase.WAITING, "Deployment/m: not there yet")
