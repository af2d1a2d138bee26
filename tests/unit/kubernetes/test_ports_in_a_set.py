"""A port that one workload of a set gives up is free for another one: given back before it is taken, and waited for."""

import copy

import pytest

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.applying import release
from kelvin_provision.cluster.kubernetes.judge.ports import conflicts_on_node, released, stopped_for_host_ports
from kelvin_provision.cluster.kubernetes.judge.rollout import Rollout
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.labels import HOME, OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import Change, Op
from kelvin_provision.errors import ApplyFailed
from tests.kit.box import Box
from tests.kit.fakes.kubernetes_api import ObjectApi


def service(workload, port=None, name=None):
    entry = {"port": 80, "protocol": "TCP"} | ({"nodePort": port} if port else {})
    metadata = {"name": name or workload, "namespace": "app", "labels": {OWNER: workload}}
    kind = "NodePort" if port else "ClusterIP"
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": kind, "ports": [entry]}}


class PortApi(ObjectApi):
    """Lets no two Services have one node port, as the server does."""

    def _put(self, verb, item, *, dry_run):
        numbers = {port.get("nodePort") for port in item["spec"].get("ports") or ()} - {None}
        for other in self.live.values():
            if other["kind"] == "Service" and self._key(other) != self._key(item):
                taken = numbers & {port.get("nodePort") for port in other["spec"]["ports"]}
                if taken:
                    raise Rejected("port-taken", f"provided port {taken} is already allocated")
        return super()._put(verb, item, dry_run=dry_run)

    def patch(self, item, namespace, *, manager=""):
        self.calls.append(("patch", item["kind"], item["metadata"]["name"]))
        live = copy.deepcopy(self.live[self._key(item)])
        live["spec"] |= item["spec"]
        self.live[self._key(item)] = live


OLD = service("old", 30080)
RENAMED = {"new": [service("new", 30080)], "old": [service("old")]}
SETS = [
    pytest.param([OLD], RENAMED, ["old"], id="a rename"),
    pytest.param([OLD], {"old": [], "new": [service("new", 30080)]}, ["old"], id="its Service goes"),
    pytest.param([OLD], {"old": [service("old", 30080, "other")]}, ["old"], id="a Service has another name"),
    pytest.param(
        [service("a", 30080), service("b", 30081)], {"a": [service("a", 30081)], "b": [service("b", 30080)]}, ["a", "b"], id="a swap"
    ),
    pytest.param([OLD], {"old": [service("old", 30080)], "new": [service("new", 30081)]}, [], id="it stays"),
    pytest.param([OLD], {"old": [service("old", 30082)], "new": [service("new", 30081)]}, [], id="nothing takes it over"),
    pytest.param([service("third", 30080)], RENAMED, [], id="it is not of the set"),
    pytest.param([OLD | {"metadata": OLD["metadata"] | {"namespace": "other"}}], RENAMED, [], id="it is of another box"),
]


@pytest.mark.parametrize(("live", "desired", "given"), SETS)
def test_what_a_set_gives_back_is_known(live, desired, given):
    assert [item["metadata"]["name"] for item in released(desired, live, "app")] == given


def with_host_port(name, number):
    container = {"name": "c", "ports": [{"containerPort": 80, "hostPort": number}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("desired", "stopped"),
    [
        ({"old": [with_host_port("old", 8125)], "new": []}, ["new"]),
        ({"old": [with_host_port("old", 8126)], "new": []}, []),
        ({"old": [service("old", 30080)], "new": []}, []),
        ({"old": [with_host_port("old", 8125)], "new": [service("new")]}, []),
        ({"new": []}, []),
    ],
)
def test_what_goes_is_stopped_first_where_another_one_takes_over_its_host_port(desired, stopped):
    template = with_host_port("new", 8125)["spec"]["template"]
    live = {"new": [{"kind": "Pod", "metadata": {"name": "new-1"}, "spec": template["spec"]}], "old": []}
    assert list(stopped_for_host_ports(desired, live.__getitem__)) == stopped


@pytest.mark.parametrize("member", ["old", "third"])
def test_a_node_port_on_which_the_cluster_listens_for_a_service_of_the_set_is_free(member):
    desired = {"new": [service("new", 30080)], member: []}
    found = list(conflicts_on_node(desired, [service("old", 30080)], {(30080, "tcp")}))
    assert [finding.code for finding in found] == ([] if member == "old" else ["port-taken"])


def test_the_plan_counts_a_port_that_the_set_gives_back_as_free():
    plan = Planner(PortApi(OLD), "app", RENAMED, str, {}).run()
    assert plan.findings == ()
    assert Change(Op.CREATE, "new", "Service/new", "as soon as its node port is released") in plan.changes


class PlacedApi(PortApi):
    """Knows the namespaces of its objects."""

    @staticmethod
    def _key(item):
        return *PortApi._key(item), item["metadata"].get("namespace") or ""

    def get(self, version, kind, name, namespace=None):
        return self.live.get((kind, name, "" if kind == "Namespace" else namespace))


def test_a_service_elsewhere_that_takes_a_port_over_is_updated():
    places = [{"kind": "Namespace", "metadata": {"name": name}} for name in ("app", "mqtt")]
    live, wanted = service("new"), service("new", 30080)
    for item in (live, wanted):
        item["metadata"]["namespace"] = "mqtt"
        item["metadata"]["labels"] = {OWNER: "new", HOME: "app"}
    plan = Planner(PlacedApi(OLD, live, *places), "app", {"new": [wanted], "old": [service("old")]}, str, {}).run()
    assert plan.findings == ()
    assert [change.op for change in plan.changes if change.why == "as soon as its node port is released"] == [Op.UPDATE]


def test_a_port_of_a_workload_outside_of_the_set_is_taken_and_the_hint_helps():
    findings = Planner(PortApi(OLD), "app", {"new": RENAMED["new"]}, str, {}).run().findings
    assert {finding.code for finding in findings} == {"port-taken"}
    assert findings[-1].hint.names == ("old",)
    assert findings[-1].hint.action == "workloads undeploy"


@pytest.mark.parametrize(("live", "desired", "given"), SETS[:4])
def test_a_port_is_given_back_before_it_is_taken(live, desired, given):
    api = PortApi(*live)
    release(api, "app", desired)
    assert api.calls == [("patch", "Service", name) for name in given]
    for objects in desired.values():
        for item in objects:
            api.apply(item, "app", force=True)
    release(api, "app", desired)
    assert api.calls.count(("patch", "Service", given[0])) == 1, "may be repeated"


def pod(workload, version, *conditions, **metadata):
    about = {"name": f"{workload}-{version}", "labels": {OWNER: workload}, "annotations": {SPEC_HASH: version}, **metadata}
    return {"kind": "Pod", "metadata": about, "status": {"conditions": list(conditions), "containerStatuses": []}}


UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no free ports"}


def deployment():
    template = {"metadata": {"annotations": {SPEC_HASH: "new"}}, "spec": {}}
    metadata = {"name": "new", "uid": "d", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}, "status": {}}


@pytest.mark.parametrize(
    ("beside", "phase"),
    [
        ([], Phase.FAILED),
        ([pod("old", "1", deletionTimestamp="now")], Phase.WAITING),
        ([pod("new", "0", deletionTimestamp="now")], Phase.WAITING),
        ([pod("old", "1")], Phase.WAITING),
        ([pod("old", "2")], Phase.FAILED),
        ([pod("third", "1")], Phase.FAILED),
        ([pod("new", "0")], Phase.FAILED),
    ],
)
def test_there_is_no_verdict_while_the_pod_that_has_the_port_terminates(beside, phase):
    store = Store()
    store.apply(WatchEvent("Deployment", listed=(deployment(),)))
    store.apply(WatchEvent("Pod", listed=(pod("new", "new", UNPLACED), *beside)))
    rollout = Rollout("new", [deployment()], WaitPolicy(unschedulable=15.0), {"new": {"new"}, "old": {"2"}})
    assert rollout.health(store, 0).phase is Phase.WAITING
    assert rollout.health(store, 15).phase is phase


def test_a_transaction_gives_ports_back_before_it_puts_anything_and_before_it_puts_back(tmp_path):
    box = Box(tmp_path)
    calls = box.cluster.calls
    box.cluster.release = lambda desired: calls.append(("release", ",".join(sorted(desired))))
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    box.deploy("a", "b", version="2.0.0")
    box.turn()
    box.cluster.broken["b"] = "no"
    calls.clear()
    with pytest.raises(ApplyFailed):
        box.command_apply("a", "b")
    changing = [verb for verb, _ in calls if verb in {"release", "put", "revert"}]
    assert changing == ["release", "put", "put", "release", "revert", "revert"]
    box.close()
