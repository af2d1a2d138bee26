"""A claim is never shrunk, whatever is asked for, and what is said of one that grows."""

import copy

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.applying import put, put_back
from kelvin_provision.cluster.kubernetes.judge.claims import grows_from, never_shrunk, remarks
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ClusterRefused
from tests.kit.fakes.kubernetes_api import ObjectApi


def claim(storage, name="data"):
    requests = {} if storage is None else {"requests": {"storage": storage}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": requests}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def stateful_set(**templates):
    spec = {"replicas": 1, "volumeClaimTemplates": [claim(storage, name) for name, storage in templates.items()]}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}


@pytest.mark.parametrize(
    ("desired", "live", "sent"),
    [
        ("1Gi", "2Gi", "2Gi"),
        ("2Gi", "1Gi", "2Gi"),
        ("1Gi", "1024Mi", "1Gi"),
        ("900M", "1Gi", "1Gi"),
        ("1000Mi", "1G", "1000Mi"),
        ("0.5Gi", "600Mi", "600Mi"),
        ("a lot", "1Gi", "a lot"),
    ],
)
def test_the_larger_of_the_live_and_the_desired_size_is_sent(desired, live, sent):
    item = claim(desired)
    before = copy.deepcopy(item)
    assert never_shrunk(item, claim(live)) == claim(sent)
    assert item == before


def test_a_claim_that_is_not_there_or_has_no_size_is_sent_as_it_is():
    assert never_shrunk(claim("1Gi"), None) == claim("1Gi")
    assert never_shrunk(claim(None), claim("1Gi")) == claim(None)
    assert never_shrunk(claim("1Gi"), claim(None)) == claim("1Gi")


def test_templates_of_a_stateful_set_are_matched_by_name():
    desired, live = stateful_set(new="1Gi", data="1Gi", log="3Gi"), stateful_set(log="2Gi", data="2Gi")
    assert never_shrunk(desired, live) == stateful_set(new="1Gi", data="2Gi", log="3Gi")
    assert desired == stateful_set(new="1Gi", data="1Gi", log="3Gi")


def test_other_kinds_are_not_looked_at():
    service = {"kind": "Service", "metadata": {"name": "s"}, "spec": {}}
    assert never_shrunk(service, service) is service
    assert list(remarks("w", service, service)) == []


def test_what_is_said_of_a_size_that_differs():
    assert list(remarks("w", claim("2Gi"), claim("1Gi"))) == ["w: PersistentVolumeClaim/data grows from 1Gi to 2Gi; this cannot be undone"]
    assert list(remarks("w", claim("1Gi"), claim("2Gi"))) == ["w: PersistentVolumeClaim/data keeps 2Gi: a claim cannot shrink to 1Gi"]
    assert list(remarks("w", claim("1Gi"), claim("1024Mi"))) == []
    assert list(remarks("w", claim("1Gi"), None)) == []
    assert [grows_from(claim("2Gi"), claim("1Gi")), grows_from(claim("1Gi"), claim("2Gi")), grows_from(claim("1Gi"), None)] == [
        "1Gi",
        "",
        "",
    ]


def test_a_claim_template_that_shrinks_is_said_and_one_that_grows_is_found_with_what_to_write():
    live = stateful_set(data="2Gi", log="1Gi") | {"metadata": {"name": "db", "labels": {OWNER: "w"}}}
    smaller = stateful_set(data="1Gi", log="1Gi")
    assert list(remarks("w", smaller, live)) == ["w: StatefulSet/db, claim template data, keeps 2Gi: a claim cannot shrink to 1Gi"]
    assert (grows_from(smaller, live), grows_from(stateful_set(data="2Gi", log="3Gi"), live)) == ("", "1Gi")

    def refuse(item):
        raise Rejected("immutable-field", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden")

    larger = stateful_set(data="2Gi", log="3Gi")
    (finding,) = Planner(ObjectApi(live, admission=refuse), "app", {"w": [larger]}, str, {}).run().findings
    assert (finding.code, finding.hint) == ("immutable-field", "keep 1Gi")
    assert finding.message.startswith("cannot be expanded; keep 1Gi: Forbidden")


class Server:
    """Refuses objects of these names; keeps what it was sent."""

    def __init__(self, *refused, live=()):
        self.refused, self.sent = refused, []
        self.live = {item["metadata"]["name"]: item for item in live}

    def get(self, version, kind, name, namespace=None):
        return self.live.get(name)

    def apply(self, item, namespace, *, force, dry_run=False):
        if item["metadata"]["name"] in self.refused:
            raise Rejected("invalid-object", f"{item['metadata']['name']} is not good")
        self.sent.append(item)
        return item


def objects():
    return [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": kind.lower(), "labels": {OWNER: "w"}}}
        for kind in ("ConfigMap", "Service", "Pod")
    ]


def names(server):
    return [item["metadata"]["name"] for item in server.sent]


def test_an_apply_ends_at_the_first_refusal_and_a_way_back_goes_on_past_it():
    server = Server("service")
    with pytest.raises(ClusterRefused, match="w: Service/service: service is not good"):
        put(server, "app", "w", objects(), str)
    assert names(server)[-1] == "configmap"
    server = Server("configmap", "service")
    refused = put_back(server, "app", "w", objects(), str)
    assert [str(error) for error in refused] == ["w: ConfigMap/configmap: configmap is not good", "w: Service/service: service is not good"]
    assert names(server)[-1] == "pod"


def test_what_is_sent_for_a_claim_is_never_smaller_than_the_live_one():
    live = claim("2Gi") | {"metadata": {"name": "data", "labels": {OWNER: "w"}}}
    server = Server(live=[live])
    put(server, "app", "w", [claim("1Gi")], str)
    assert [item["spec"]["resources"]["requests"] for item in server.sent if item["kind"] == "PersistentVolumeClaim"] == [
        {"storage": "2Gi"}
    ]
