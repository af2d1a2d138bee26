"""In which waves objects are put and removed: what must be up before what."""

from contextlib import suppress

import pytest

from kelvin_provision.cluster.kubernetes import applying
from kelvin_provision.cluster.kubernetes.api import webhooks
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.deletion import removal
from kelvin_provision.cluster.kubernetes.render.objects import Context
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.kubernetes.render.waves import is_late, plural, waves
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import RemovalUnfinished
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from tests.kit.fakes.kubernetes_server import Crash, MemoryApi

GROUP = "x.example"


def obj(kind, name, version="v1", **more):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def definition(kind="Issuer", scope="Namespaced"):
    names = {"kind": kind, "plural": plural(kind)}
    spec = {"group": GROUP, "scope": scope, "names": names, "versions": [{"name": "v1"}]}
    return obj("CustomResourceDefinition", f"{plural(kind)}.{GROUP}", "apiextensions.k8s.io/v1", spec=spec)


def custom(kind="Issuer", name="i", version=f"{GROUP}/v1"):
    return obj(kind, name, version)


def controller(name="hook", **pod):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "reg.example/a:1"}], **pod}}
    return obj("Deployment", name, "apps/v1", spec={"selector": {"matchLabels": {"app": name}}, "template": template})


def webhook(resources=("issuers",), groups=(GROUP,), service="hook"):
    rules = [{"apiGroups": list(groups), "apiVersions": ["v1"], "operations": ["CREATE"], "resources": list(resources)}]
    hook = {"name": "h", "clientConfig": {"service": {"name": service, "namespace": "app"}}, "rules": rules}
    return obj("ValidatingWebhookConfiguration", "h", "admissionregistration.k8s.io/v1", webhooks=[hook])


def service(name="hook"):
    return obj("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 443}]})


def rendered(*manifests, name="w"):
    spec = Spec(name, "W", "w", "1.0", "c", Method.STANDARD, manifests=manifests)
    return render(spec, (), 1, Context(namespace="app", node_name="edge-1"))


def parts(**desired):
    return [[describe(item) for objects in wave.values() for item in objects] for wave in waves(desired)]


def test_an_operator_its_webhook_and_a_custom_resource_come_in_two_waves():
    objects = rendered(webhook(), definition(), service(), controller(), custom())
    assert parts(w=objects) == [
        ["CustomResourceDefinition/issuers.x.example", "Service/hook", "Deployment/hook"],
        ["ValidatingWebhookConfiguration/h", "Issuer/i"],
    ]


@pytest.mark.parametrize(
    "manifests",
    [
        (obj("ConfigMap", "c"), controller()),
        (definition(), custom()),  # nothing is waited for
        (controller(), custom()),  # of an operator that is there already; a pod may need what it makes
        (controller(), obj("HorizontalPodAutoscaler", "a", "autoscaling/v1"), obj("PodDisruptionBudget", "b", "policy/v1beta1")),
    ],
)
def test_where_nothing_must_wait_there_is_one_wave(manifests):
    assert len(parts(w=rendered(*manifests))) == 1


def test_a_custom_resource_that_a_webhook_of_the_set_checks_waits_also_if_its_kind_is_defined_elsewhere():
    assert parts(w=rendered(controller(), service(), webhook(), custom()))[-1] == ["ValidatingWebhookConfiguration/h", "Issuer/i"]
    assert parts(w=rendered(controller(), service(), webhook(["*"], ["*"]), custom()))[-1][-1] == "Issuer/i"
    assert parts(w=rendered(controller(), service(), webhook(["certificates/status"]), custom()))[-1] == [
        "ValidatingWebhookConfiguration/h"
    ]
    assert "Issuer/i" not in parts(w=rendered(controller(), service(), webhook(groups=["other"]), custom()))[-1]


def test_an_object_of_an_aggregated_api_waits_for_it():
    api = obj("APIService", f"v1.{GROUP}", "apiregistration.k8s.io/v1", spec={"group": GROUP, "version": "v1", "service": {"name": "hook"}})
    assert parts(w=rendered(controller(), service(), api, custom()))[-1] == [f"APIService/v1.{GROUP}", "Issuer/i"]


def test_what_is_not_custom_is_never_late_whatever_a_webhook_checks():
    objects = rendered(controller(), service(), webhook(["deployments", "*"], ["*", "apps"]), obj("ConfigMap", "c"))
    assert parts(w=objects)[-1] == ["ValidatingWebhookConfiguration/h"]


NEEDS = [
    {"volumes": [{"name": "v", "secret": {"secretName": "made"}}]},
    {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "made"}}]}}]},
    {"containers": [{"name": "c", "image": "reg.example/a:1", "envFrom": [{"secretRef": {"name": "made"}}]}]},
    {
        "initContainers": [
            {"name": "c", "image": "reg.example/a:1", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "made", "key": "k"}}}]}
        ]
    },
]


@pytest.mark.parametrize("pod", NEEDS)
def test_pods_that_need_what_a_custom_resource_may_make_come_with_it(pod):
    operator, user = controller("operator"), controller("user", **pod)
    assert parts(w=rendered(definition(), operator, user, custom()))[-1] == ["Deployment/user", "Issuer/i"]
    present = [obj("Secret", "made"), obj("ConfigMap", "made")]
    assert parts(w=rendered(definition(), operator, user, *present, custom()))[-1] == ["Issuer/i"]
    assert len(parts(w=rendered(operator, user))) == 1


def test_what_is_optional_or_in_every_namespace_is_not_waited_for():
    volumes = [{"name": "a", "secret": {"secretName": "made", "optional": True}}, {"name": "b", "configMap": {"name": "kube-root-ca.crt"}}]
    assert parts(w=rendered(definition(), controller("a", volumes=volumes), custom()))[-1] == ["Issuer/i"]


def test_the_pods_behind_a_webhook_come_first_also_without_their_certificate():
    volumes = [{"name": "v", "secret": {"secretName": "made-by-a-job"}}]
    assert parts(w=rendered(definition(), service(), controller(volumes=volumes), webhook(), custom()))[-1] == [
        "ValidatingWebhookConfiguration/h",
        "Issuer/i",
    ]


def test_workloads_of_one_transaction_have_their_waves_together():
    user, operator = rendered(custom(name="mine"), obj("ConfigMap", "c"), name="a"), rendered(definition(), controller(), name="b")
    assert parts(a=user, b=operator) == [
        ["CustomResourceDefinition/issuers.x.example"],
        ["ConfigMap/c", "Deployment/hook"],
        ["Issuer/mine"],
    ]
    assert is_late(user[-1], [*user, *operator])
    assert not is_late(user[-1], user)


def test_every_object_is_in_exactly_one_wave_in_its_order():
    desired = {
        "a": rendered(definition(), custom(), name="a"),
        "b": rendered(webhook(), service(), controller(), custom("Widget"), name="b"),
    }
    for workload, objects in desired.items():
        put = [item for wave in waves(desired) for item in wave.get(workload, ())]
        assert len(put) == len(objects)
        assert all(any(item is other for other in objects) for item in put)
    assert waves({}) == ({},)


@pytest.mark.parametrize(
    ("kind", "name"), [("Issuer", "issuers"), ("NetworkPolicy", "networkpolicies"), ("Ingress", "ingresses"), ("Mesh", "meshes")]
)
def test_plural_names(kind, name):
    assert plural(kind) == name


# --- on the way there and back --------------------------------------------------------------------

OPERATOR = (webhook(), definition(), service(), controller(), custom())


@pytest.fixture
def api(monkeypatch):
    """A server whose custom resources have finalizers, which the operator removes while it is there; its webhook answers as long."""
    for module, name in ((webhooks, "PAUSE"), (removal, "TICK"), (applying, "TICK")):
        monkeypatch.setattr(module, name, 0.0)
    found = MemoryApi("app")
    found.checked = {"Issuer"}
    found.answers = lambda: "Deployment/app/hook" in found.names
    found.releases = lambda item: found.answers()
    return found


def held(item):
    return item | {"metadata": item["metadata"] | {"finalizers": ["x.example/hold"]}} if item["kind"] == "Issuer" else item


def version(*manifests):
    return tuple(map(held, rendered(*manifests)))


def put_all(api, objects):
    for wave in waves({"w": objects}):
        applying.put(api, "app", "w", wave["w"], str)


def revert(api, objects):
    """As `Kubernetes.revert`, but for pods that are stuck."""
    with suppress(RemovalUnfinished):
        removal.delete_customs(api, "app", "w", objects, timeout=0.2)
    refused = applying.put_back(api, "app", "w", objects, str)
    removal.prune(api, "app", "w", objects, timeout=0.2)
    removal.prune_foundations(api, "app", "w", objects, timeout=0.2)
    return refused


def test_at_undeploy_the_operator_stays_until_its_custom_resources_are_gone(api):
    put_all(api, version(*OPERATOR))
    api.requests.clear()
    removal.remove(api, "app", "w", timeout=1.0)
    assert api.requests[:-1] == [
        "delete Issuer/app/i",
        "delete ValidatingWebhookConfiguration/h",
        "delete Deployment/app/hook",
        "delete Service/app/hook",
        "delete CustomResourceDefinition/issuers.x.example",
    ]
    assert api.names == ["Namespace/app"]


def test_a_custom_resource_that_hangs_keeps_its_operator_and_is_named(api):
    put_all(api, version(*OPERATOR))
    api.releases = lambda item: False
    for _ in range(2):
        with pytest.raises(RemovalUnfinished, match="w: still being deleted: Issuer/i"):
            removal.remove(api, "app", "w", timeout=0.0)
        assert "Deployment/app/hook" in api.names
    api.releases = lambda item: True
    assert "Deployment/hook" in removal.remove(api, "app", "w", timeout=0.0)


def test_a_webhook_without_pods_does_not_keep_its_workload_from_being_removed(api):
    put_all(api, version(*OPERATOR))
    api.answers = lambda: False
    api.releases = lambda item: True
    assert removal.remove(api, "app", "w", timeout=0.0)[:2] == ("ValidatingWebhookConfiguration/h", "Issuer/i")
    assert api.names == ["Namespace/app"]


def test_an_update_without_the_operator_takes_its_custom_resources_first(api):
    put_all(api, version(*OPERATOR))
    api.requests.clear()
    removal.prune(api, "app", "w", version(definition()), timeout=1.0)
    deletions = [request for request in api.requests if request.startswith("delete")]
    assert deletions[0] == "delete Issuer/app/i"
    assert deletions[-2:] == ["delete Deployment/app/hook", "delete Service/app/hook"]
    assert "CustomResourceDefinition/issuers.x.example" in api.names


def test_a_way_back_takes_what_the_new_version_brought_in_reverse_order_and_leaves_nothing_of_it(api):
    old = version(obj("ConfigMap", "c"))
    put_all(api, old)
    before = api.names
    put_all(api, version(*OPERATOR, obj("ConfigMap", "c"), obj("ConfigMap", "d") | {"metadata": {"name": "d", "namespace": "more"}}))
    api.requests.clear()
    assert revert(api, old) == []
    deletions = [request.removeprefix("delete ") for request in api.requests if request.startswith("delete")]
    assert (
        deletions.index("Issuer/app/i")
        < deletions.index("Deployment/app/hook")
        < deletions.index("CustomResourceDefinition/issuers.x.example")
    )
    assert api.names == sorted({*before, "ConfigMap/app/kelvin-provision-kinds-w"})


def test_a_definition_with_data_stays_on_the_way_back(api):
    old = version(obj("ConfigMap", "c"))
    put_all(api, old)
    put_all(api, version(*OPERATOR))
    api.checked = set()
    api.add("Issuer", "theirs", "app")
    revert(api, old)
    assert {"CustomResourceDefinition/issuers.x.example", "Issuer/app/theirs"} <= set(api.names)


@pytest.mark.parametrize("established", [True, False])
@pytest.mark.parametrize("way", ["undeploy", "undo"])
def test_a_definition_with_a_version_that_is_not_served_or_that_was_never_established_is_removed(api, established, way):
    old, new = version(obj("ConfigMap", "c")), definition()
    new["spec"]["versions"] = [{"name": "v1alpha1", "served": False}, {"name": "v1", "served": True}]
    put_all(api, old)
    put_all(api, version(obj("ConfigMap", "c"), new))
    if not established:
        api.objects["CustomResourceDefinition", "", "issuers.x.example"]["status"]["conditions"] = []
    if way == "undeploy":
        assert "CustomResourceDefinition/issuers.x.example" in removal.remove(api, "app", "w", timeout=0.0)
    else:
        assert revert(api, old) == []
    assert "CustomResourceDefinition/issuers.x.example" not in api.names


def test_a_definition_with_a_version_that_is_not_served_and_with_data_of_others_stays(api):
    new = definition()
    new["spec"]["versions"] = [{"name": "v1alpha1", "served": False}, {"name": "v1", "served": True}]
    put_all(api, version(new))
    api.checked = set()
    api.add("Issuer", "theirs", "app")
    assert removal.remove(api, "app", "w", timeout=0.0) == (
        "CustomResourceDefinition/issuers.x.example (kept: Issuer/theirs would be deleted with it)",
    )


def test_a_custom_resource_goes_back_when_the_pods_of_its_webhook_are_up_again(api):
    old = version(*OPERATOR)
    put_all(api, old)
    calls = []

    def coming_up():
        calls.append(1)
        return len(calls) > 4

    api.answers = coming_up
    assert revert(api, old) == []
    assert len(calls) > 4
    api.answers = lambda: False
    assert [str(error).partition(": failed")[0] for error in applying.put_back(api, "app", "w", old, str)] == ["w: Issuer/i"]


@pytest.mark.parametrize("verb", ["put", "revert", "revert to nothing", "remove"])
def test_after_a_crash_at_any_request_a_repetition_ends_in_the_same_place(api, verb):
    old, new = version(obj("ConfigMap", "c")), version(*OPERATOR)
    verbs = {
        "put": lambda: put_all(api, new),
        "revert": lambda: revert(api, old),
        "revert to nothing": lambda: removal.remove(api, "app", "w", timeout=0.2),
        "remove": lambda: removal.remove(api, "app", "w", timeout=0.2),
    }

    def begin():
        api.objects.clear()
        api.crash_at = None
        api.create(obj("Namespace", "app"), "")
        if verb != "revert to nothing":
            put_all(api, old)
        if verb != "put":
            put_all(api, new)

    begin()
    verbs[verb]()
    expected = api.names
    for step in range(1000):
        begin()
        api.crash_after(step)
        try:
            verbs[verb]()
            break
        except Crash:
            api.crash_at = None
        verbs[verb]()
        assert api.names == expected, f"crash before request {step}"
    assert step > 10


class LateApi(MemoryApi):
    """A busy server: it lists a kind only when it was asked for it a third time after its definition was established."""

    asked = 0

    def namespaced(self, version, kind):
        if kind == "Issuer":
            self.asked += 1
            if self.asked < 3:
                raise Rejected("unknown-kind", f"this cluster knows no {kind} of {version}")
        return super().namespaced(version, kind)

    def apply(self, item, namespace, **more):
        if item["kind"] == "Issuer" and self.asked < 3:
            raise Rejected("unknown-kind", "this cluster knows no Issuer")
        return super().apply(item, namespace, **more)


def test_a_custom_resource_waits_until_the_server_serves_its_established_kind(api):
    late = LateApi()
    late.objects = api.objects
    put_all(late, version(definition(), custom()))
    assert "Issuer/app/i" in late.names
