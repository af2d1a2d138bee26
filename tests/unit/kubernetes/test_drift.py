"""What others changed, from the server's own record of who manages which field."""

from kelvin_provision.cluster.kubernetes.judge.drift import drift
from kelvin_provision.cluster.labels import REVISION, STOPPED
from kelvin_provision.cluster.plan import Drift
from kelvin_provision.spec.diff.fields import ABSENT

WHEN = "2026-11-25T03:00:00Z"


def item_of(revision=1, **spec):
    return {"kind": "Deployment", "metadata": {"name": "m", "annotations": {REVISION: str(revision)}}, "spec": spec}


def live(item, manager="kubectl-edit", fields=None, **entry):
    managed = [{"manager": manager, "time": WHEN, "fieldsV1": fields or {}, **entry}]
    return item | {"metadata": item["metadata"] | {"managedFields": managed}, "status": {"replicas": 3}}


def container(**more):
    return {"containers": [{"name": "c", "image": "x:1", **more}]}


def within(fields):
    return {"f:spec": {"f:containers": {'k:{"name":"c"}': fields}}}


def drift_of(applied, there):
    return [(one.path, one.applied, one.live, one.by, one.when) for one in drift("w", applied, there)]


def test_what_is_gone_is_said_with_no_path():
    assert list(drift("w", item_of(), None)) == [Drift("w", "Deployment/m")]


def test_another_value_is_told_with_who_and_when():
    there = live(item_of(**container(image="x:2")), fields=within({"f:image": {}}))
    assert drift_of(item_of(**container()), there) == [("spec.containers[c].image", "x:1", "x:2", "kubectl-edit", WHEN)]


def test_what_others_set_to_our_value_is_no_drift():
    there = live(item_of(**container()), fields=within({"f:image": {}}))
    assert drift_of(item_of(**container()), there) == []


def test_an_entry_that_somebody_added_is_one_field():
    new = {"containerPort": 81, "protocol": "TCP"}
    ours = {"containerPort": 80, "protocol": "TCP"}
    fields = within({"f:ports": {'k:{"containerPort":81,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}}}})
    there = live(item_of(**container(ports=[ours, new])), fields=fields)
    assert drift_of(item_of(**container(ports=[ours])), there) == [("spec.containers[c].ports[81]", ABSENT, new, "kubectl-edit", WHEN)]


def test_an_added_variable_is_told_without_its_value():
    fields = within({"f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}})
    there = live(item_of(**container(env=[{"name": "A", "value": "hidden"}])), fields=fields)
    (result,) = drift("w", item_of(**container()), there)
    assert (result.path, str(result.live["value"])) == ("spec.containers[c].env[A]", "***")
    assert "hidden" not in repr(result)


def test_the_clusters_own_parts_and_our_own_hand_are_nobody():
    fields = {
        "f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}},
        "f:status": {"f:replicas": {}},
        "f:spec": {"f:replicas": {}},
    }
    there = item_of(replicas=2)
    there["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    applied = item_of(replicas=2, more=None)
    for manager in ("kelvin-provision", "kube-controller-manager", "k3s", "kubectl-edit"):
        assert drift_of(applied, live(there, manager, fields)) == []


def test_defaults_and_spellings_of_the_server_are_no_drift():
    there = live(item_of(replicas=1, memory="1Gi", strategy={"type": "RollingUpdate"}))
    assert drift_of(item_of(replicas=1, memory="1024Mi", delay=0, items=[]), there) == []


def test_what_was_taken_away_is_seen_although_nobody_signs_for_it():
    assert drift_of(item_of(minReadySeconds=5), live(item_of())) == [("spec.minReadySeconds", 5, ABSENT, "", "")]
    assert drift_of(item_of(minReadySeconds=5), live(item_of(revision=2))) == []  # it is another revision of ours


def test_a_scaling_that_an_old_server_does_not_note_is_seen():
    there = live(item_of(replicas=3))
    assert drift_of(item_of(replicas=1), there) == [("spec.replicas", 1, 3, "", "")]
    there["metadata"]["annotations"] |= {STOPPED: "1"}
    assert drift_of(item_of(replicas=1), there) == []


def test_kubectls_copy_of_the_whole_object_is_not_repeated():
    note = "kubectl.kubernetes.io/last-applied-configuration"
    there = item_of()
    there["metadata"]["annotations"][note] = "password"
    assert drift_of(item_of(), live(there, fields={"f:metadata": {"f:annotations": {f"f:{note}": {}}}})) == []
