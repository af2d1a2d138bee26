"""Blocks that an old server would leave empty: which ones a refusal is about, and how they are taken away."""

import json

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, status_error
from kelvin_provision.cluster.kubernetes.judge.readiness import paused_by_us
from kelvin_provision.cluster.kubernetes.server_side_apply import blocks_to_remove, removals

POD = "spec.template.spec"


def deployment(*containers):
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": list(containers)}}}}


PROBED = {"name": "a", "readinessProbe": {"exec": {"command": ["x"]}}, "lifecycle": {"preStop": {"exec": {"command": ["y"]}}}}
SECRET = {"name": "b", "env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
CONTAINERS = ("spec", "template", "spec", "containers")


@pytest.mark.parametrize(
    ("live", "wanted", "fields", "blocks"),
    [
        ([PROBED], [{"name": "a"}], [f"{POD}.containers[0].readinessProbe"], [(*CONTAINERS, 0, "readinessProbe")]),
        ([PROBED], [{"name": "a"}], [f"{POD}.containers[0].lifecycle.preStop"], [(*CONTAINERS, 0, "lifecycle")]),
        (
            [PROBED],
            [{"name": "a"}],
            [f"{POD}.containers[0].lifecycle.preStop", f"{POD}.containers[0].readinessProbe", f"{POD}.containers[0].readinessProbe"],
            [(*CONTAINERS, 0, "lifecycle"), (*CONTAINERS, 0, "readinessProbe")],
        ),
        (
            [PROBED, SECRET],
            [{"name": "b", "env": [{"name": "K", "value": "plain"}]}, {"name": "a"}],
            [f"{POD}.containers[1].env[0].valueFrom"],
            [(*CONTAINERS, 1, "env", 0, "valueFrom")],
        ),
        ([PROBED], [PROBED], [f"{POD}.containers[0].readinessProbe"], []),
        ([PROBED], [{"name": "a"}], [f"{POD}.containers[0].image"], []),
        ([PROBED], [{"name": "a"}], [f"{POD}.containers[0].readinessProbe", "spec.replicas"], []),
        ([PROBED], [{"name": "other"}], [f"{POD}.containers[0].readinessProbe"], []),
        ([PROBED], [{"name": "a"}], [f"{POD}.containers[7].readinessProbe"], []),
        ([PROBED], [{"name": "a"}], [""], []),
        ([PROBED], [{"name": "a"}], [], []),
    ],
)
def test_a_refusal_is_about_blocks_that_are_there_and_no_longer_wanted(live, wanted, fields, blocks):
    assert list(blocks_to_remove(deployment(*live), deployment(*wanted), fields)) == blocks


def test_blocks_are_removed_by_their_pointers():
    assert removals([("spec", 0, "a/b~c")]) == [{"op": "remove", "path": "/spec/0/a~1b~0c"}]


def test_only_our_own_pause_is_ended():
    def result(manager, paused=True, operation="Update"):
        entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:paused": {}}}}
        return {"metadata": {"managedFields": [entry]}, "spec": {"paused": paused}}

    assert paused_by_us(result("kelvin-provision"))
    assert not paused_by_us(result("kubectl-rollout"))
    assert not paused_by_us(result("kelvin-provision", paused=False))
    assert not paused_by_us(result("kelvin-provision", operation="Apply"))  # the request itself says so
    assert not paused_by_us({"metadata": {}})


def test_a_refusal_names_the_fields_that_it_is_for():
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"}]
    result = status_error(422, json.dumps({"kind": "Status", "message": "x is invalid", "details": {"causes": causes}}))
    assert isinstance(result, Rejected)
    assert (result.code, result.fields) == ("invalid-object", ("spec.a",))
