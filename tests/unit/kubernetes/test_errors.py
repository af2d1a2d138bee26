"""What the server's refusals mean: bodies as Kubernetes 1.20 and 1.36 send them."""

import json

import pytest

from kelvin_provision.cluster.kubernetes.api.errors import AccessDenied, Rejected, ResourceExpired, ServerBusy, Unauthorized, status_error


def body(message, **details):
    return json.dumps({"kind": "Status", "message": message, "details": details} if details else {"kind": "Status", "message": message})


POLICY = "ValidatingAdmissionPolicy 'few' with binding 'few' denied request: at most 5 replicas"
CONFLICT = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".spec.replicas"}


@pytest.mark.parametrize(
    ("code", "text", "finding"),
    [
        (403, body('pods "x" is forbidden: exceeded quota: q'), "denied"),
        (403, body("namespace x is forbidden: unable to create new content because it is being terminated"), "namespace-terminating"),
        (404, body('namespaces "x" not found', kind="namespaces", name="x"), "namespace-missing"),
        (404, body('pods "x" not found', kind="pods", name="x"), "missing"),
        (404, "404 page not found", "unknown-kind"),
        (409, body("Precondition failed: UID in precondition: a, UID in object meta: b"), "missing"),
        (409, body("Apply failed with 1 conflict", causes=[CONFLICT]), "field-conflict"),
        (409, body('namespace "x": object is being deleted'), "namespace-terminating"),
        (400, body("json: cannot unmarshal"), "invalid-object"),
        (400, body('admission webhook "no.example" denied the request'), "denied"),
        (422, body(f'deployments.apps "x" is forbidden: {POLICY}'), "denied"),
        (403, body(f'deployments.apps "x" is forbidden: {POLICY}'), "denied"),
        (422, body("spec.selector: Invalid value: field is immutable"), "immutable-field"),
        (422, body("spec: Forbidden: updates to statefulset spec for fields other than"), "immutable-field"),
        (422, body("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"), "port-taken"),
        (422, body("spec.replicas: Invalid value: -1"), "invalid-object"),
        (500, body("failed to create typed patch object: .spec.replica: field not declared in schema"), "invalid-object"),
        (500, body("unable to convert unstructured object to apps/v1"), "invalid-object"),
    ],
)
def test_what_does_not_heal_by_trying_again(code, text, finding):
    error = status_error(code, text)
    assert isinstance(error, Rejected)
    assert error.code == finding
    assert str(error)


DUMP = 'core.PodTemplateSpec{Spec:core.PodSpec{Env:[]core.EnvVar{core.EnvVar{Name:"PIN", Value:"s3c}r\\"3t"}}, Wait:(*int64)(0xc01)}}'
SELECTOR = 'v1.LabelSelector{MatchLabels:map[string]string{"a":"s3cr3t"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}'
DIFF = """  core.PersistentVolumeClaimSpec{
  \t... // 2 identical fields
- \tStorageClassName: &"s3cr3t",
  }
"""


@pytest.mark.parametrize(
    ("subject", "causes", "message"),
    [
        ("Job", [("spec.template", f"Invalid value: {DUMP}: field is immutable")], "spec.template cannot change"),
        ("Deployment", [("spec.selector", f"Invalid value: {SELECTOR}: field is immutable")], "spec.selector cannot change"),
        ("StatefulSet", [("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden")],
         "spec cannot change (updates to statefulset spec for fields other than 'replicas' are forbidden)"),
        ("Service", [("spec.clusterIPs[0]", 'Invalid value: []string{"10.0.0.99"}: may not change once set')], "spec.clusterIPs[0] cannot change"),
        ("Service", [("spec.clusterIP", 'Invalid value: "": primary clusterIP can not be unset')], "spec.clusterIP cannot change"),
        ("PersistentVolumeClaim", [("spec", f"Forbidden: spec is immutable after creation except resources.requests for bound claims\n{DIFF}")],
         "spec cannot change (spec is immutable after creation except resources.requests for bound claims)"),
        ("Pod", [("spec", f"Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n{DIFF}")],
         "spec cannot change (pod updates may not change fields other than `spec.containers[*].image`)"),
        ("ConfigMap", [("data", "Forbidden: field is immutable when `immutable` is set")], "data cannot change"),
        ("Secret", [("type", 'Invalid value: "Opaque": field is immutable')], "type cannot change"),
        ("RoleBinding", [("roleRef", 'Invalid value: rbac.RoleRef{Kind:"Role", Name:"s3cr3t"}: cannot change roleRef')], "roleRef cannot change"),
        ("StorageClass", [("parameters", "Forbidden: updates to parameters are forbidden."), ("provisioner", "Forbidden: updates to it")], "parameters cannot change; provisioner cannot change"),
        ("Job", [("spec.template", f"Invalid value: {DUMP}: field is immutable"), ("spec.backoffLimit", "Invalid value: -1: must be positive")],
         "spec.template cannot change; spec.backoffLimit: Invalid value: -1: must be positive"),
        ("Job", [], "spec.template cannot change"),
    ],
)  # fmt: skip
def test_what_cannot_change_is_named_without_the_object(subject, causes, message):
    said = "; ".join(f"{field}: {text}" for field, text in causes) or f"spec.template: Invalid value: {DUMP}: field is immutable"
    structured = [{"reason": "FieldValueInvalid", "field": field, "message": text} for field, text in causes]
    error = status_error(422, body(f'{subject} "x" is invalid: {said}', name="x", causes=structured))
    assert (error.code, str(error)) == ("immutable-field", message)


def test_a_conflict_names_manager_and_field():
    error = status_error(409, body("Apply failed", causes=[CONFLICT]))
    assert str(error) == 'other field managers own these fields: .spec.replicas (conflict with "kubectl")'


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (401, body("Unauthorized"), Unauthorized),
        (403, body('deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps"'), AccessDenied),
        (403, body('error looking up service account app/default: serviceaccount "default" not found'), ServerBusy),
        (500, body('No API token found for service account "default"'), ServerBusy),
        (500, body("etcdserver: leader changed"), ServerBusy),
        (429, b"too many requests", ServerBusy),
        (503, None, ServerBusy),
        (409, body("the object has been modified"), ServerBusy),
        (410, body("too old resource version"), ResourceExpired),
        (502, "[1]", ServerBusy),
    ],
)
def test_what_may_heal_and_what_is_forbidden(code, text, kind):
    assert type(status_error(code, text)) is kind
