"""Requests: accepted whole or refused whole, with every finding at once."""

import json
import re
import time

import pytest

from kelvin_provision.errors import RequestRefused, SecretMissing
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.accept import Defaults, Document, accept
from kelvin_provision.spec.request.flags import from_flags
from kelvin_provision.spec.workload import Spec, System
from tests.kit.requests import accepted, body, defaults, refused, spec_of

ISSUE = {
    "app_name": "motor-speed",
    "app_version": "2.3.0",
    "cluster_name": "docs-demo-cluster-k3s",
    "name": "docs-demo-motor-speed",
    "title": "Docs Demo Motor Speed",
    "payload": {},
    "staged": True,
    "instantly_apply": False,
    "source": "krn:user:demo@kelvin.ai",
}
PLAIN = "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"


def obj(kind="ConfigMap", name="c", **rest):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **rest}


def deployment(image, name="d"):
    return obj(
        "Deployment",
        name,
        apiVersion="apps/v1",
        spec={"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
    )


def test_the_documented_body_word_for_word():
    documents = read("deploy.json", json.dumps(ISSUE).encode())
    result = accept(documents, defaults(cluster_name="docs-demo-cluster-k3s"))
    assert result.warnings == ()
    assert result.specs == (
        Spec(
            name="docs-demo-motor-speed",
            title="Docs Demo Motor Speed",
            app_name="motor-speed",
            app_version="2.3.0",
            cluster_name="docs-demo-cluster-k3s",
            method=Method.STAGED,
            image="r.example:5000/motor-speed:2.3.0",
            system=System(),
            source="krn:user:demo@kelvin.ai",
        ),
    )


def test_null_is_absent_as_the_older_clients_send_it():
    nulls = dict.fromkeys(("acp_name", "node_name", "title", "payload", "manifests", "source", "staged", "deployment_type", "pre_download"))
    assert spec_of(body(**nulls)) == spec_of(body())
    assert refused({"app_name": None, "app_version": None, "name": None}) == [
        "app_name: required field is missing; give the app's name here or in the payload",
        "app_version: required field is missing; give the app's version here or in the payload",
    ]


@pytest.mark.parametrize(
    ("given", "default", "expected"),
    [
        ({}, Method.STANDARD, Method.STANDARD),
        ({}, Method.STAGED, Method.STAGED),
        ({"staged": False, "instantly_apply": True}, Method.STAGED, Method.STANDARD),
        ({"staged": True, "instantly_apply": True}, Method.STANDARD, Method.INSTANT),
        ({"staged": True, "instantly_apply": False}, Method.STANDARD, Method.STAGED),
        ({"pre_download": True, "instantly_apply": False}, Method.STANDARD, Method.STAGED),
        ({"pre_download": True, "staged": True}, Method.STANDARD, Method.INSTANT),
        ({"staged": True}, Method.STANDARD, Method.INSTANT),
        ({"staged": True}, Method.STAGED, Method.STAGED),
        ({"staged": False}, Method.STAGED, Method.STANDARD),
        ({"instantly_apply": False}, Method.STANDARD, Method.STAGED),
        ({"instantly_apply": True}, Method.STAGED, Method.INSTANT),
        ({"deployment_type": "standard"}, Method.STAGED, Method.STANDARD),
        ({"deployment_type": "staged+instant-apply"}, Method.STANDARD, Method.INSTANT),
        ({"deployment_type": "staged-only"}, Method.STANDARD, Method.STAGED),
        ({"deployment_type": "staged-only", "staged": True, "instantly_apply": False}, Method.STANDARD, Method.STAGED),
    ],
)
def test_the_method_is_what_was_said_and_the_default_for_the_rest(given, default, expected):
    assert spec_of(body(**given), method=default).method is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"staged": False, "instantly_apply": False},
            ["instantly_apply: staged and instantly_apply are both false, so nothing would be done; set one of them to true"],
        ),
        (
            {"staged": False, "deployment_type": "staged-only"},
            ["staged: contradicts deployment_type staged-only; set it to true, or remove it"],
        ),
        (
            {"pre_download": True, "instantly_apply": False, "deployment_type": "standard"},
            [
                "pre_download: contradicts deployment_type standard; set it to false, or remove it",
                "instantly_apply: contradicts deployment_type standard; set it to true, or remove it",
            ],
        ),
        (
            {"staged": True, "pre_download": False},
            ["pre_download: contradicts staged: true; remove pre_download, the older name"],
        ),
        ({"deployment_type": "staged"}, ["deployment_type: expected standard, staged+instant-apply or staged-only, got 'staged'"]),
        ({"staged": "yes"}, ["staged: expected true or false, got 'yes'"]),
        ({"staged": 1}, ["staged: expected true or false, got 1"]),
        ({"stagedd": True}, ["stagedd: unknown key 'stagedd'; did you mean staged?"]),
        ({"app_version": 2.3}, ["app_version: expected text, got 2.3; put it in quotes"]),
        ({"app_version": ""}, ["app_version: expected non-empty text, got ''"]),
        (
            {"app_name": "Motor_Speed"},
            ["app_name: expected lower-case letters, digits and '-', beginning and ending with a letter or digit, got 'Motor_Speed'"],
        ),
        ({"app_name": "a" * 65}, [f"app_name: expected at most 64 characters, got '{'a' * 60}...'"]),
        ({"name": "Pump"}, [f"name: expected {PLAIN}, got 'Pump'"]),
        ({"name": "pump-"}, [f"name: expected {PLAIN}, got 'pump-'"]),
        ({"name": "1pump"}, [f"name: expected {PLAIN}, got '1pump'"]),
        ({"name": "pump\n"}, [f"name: expected {PLAIN}, got 'pump\\n'"]),
        ({"name": "a" * 33}, [f"name: expected at most 32 characters, got '{'a' * 33}'"]),
        ({"name": ["a"]}, ["name: expected text, got a list"]),
        ({"source": "demo"}, ["source: expected a KRN such as krn:user:demo@kelvin.ai, got 'demo'"]),
        ({"payload": []}, ["payload: expected a mapping, got a list"]),
        ({"payload": "app.yaml"}, ["payload: expected a mapping, got text"]),
        ({"manifests": {}}, ["manifests: expected a list, got a mapping"]),
    ],
)
def test_each_refusal_of_a_body(given, expected):
    assert refused(body(**given)) == expected


@pytest.mark.parametrize("value", [5, "x", [], True, ["a"]])
def test_a_document_that_is_no_mapping_is_refused(value):
    (finding,) = refused(value)
    assert finding.startswith(": expected a mapping with app_name, app_version and so on, got ")


def test_all_findings_of_all_documents_come_at_once():
    documents = [
        Document("a.yaml", 1, body(stagedd=1, payload={"system": {"privileged": "on"}}, app_name=5)),
        Document("a.yaml", 2, body(name="v")),
        Document("b.json", 1, {"name": "x", "manifests": [obj(), obj()], "app_version": "1"}),
    ]
    with pytest.raises(RequestRefused, match="invalid request: 4 findings") as caught:
        accept(documents, defaults())
    assert caught.value.exit_code == 65
    assert caught.value.evidence == (
        "a.yaml, document 1, app_name: expected text, got 5; put it in quotes",
        "a.yaml, document 1, stagedd: unknown key 'stagedd'; did you mean staged?",
        "a.yaml, document 1, payload.system.privileged: expected true or false, got 'on'",
        "b.json, document 1, manifests[1]: duplicate object ConfigMap/c; objects must be unique",
    )


def test_the_same_name_twice_in_one_call_is_refused():
    documents = [
        Document("a.yaml", 1, body()),
        Document("a.yaml", 2, body(name="v")),
        Document("flags", 0, body(name="v")),
        Document("b.yaml", 1, body()),
    ]
    with pytest.raises(RequestRefused) as caught:
        accept(documents, defaults())
    assert caught.value.evidence == (
        "flags, name: duplicate name 'v', also in a.yaml, document 2; names must be unique",
        "b.yaml, document 1, name: duplicate name 'w', also in a.yaml, document 1; names must be unique",
    )
    with pytest.raises(RequestRefused) as caught:
        accept([documents[2], documents[1]], defaults())
    assert caught.value.evidence == ("a.yaml, document 2, name: duplicate name 'v', also in flags; names must be unique",)


def test_nothing_at_all_is_refused():
    with pytest.raises(RequestRefused) as caught:
        accept([], defaults())
    assert caught.value.evidence == ("request: empty; expected at least one document",)


@pytest.mark.parametrize(
    ("app_name", "expected"),
    [
        ("motor-speed", "motor-speed-abc123def456"),
        ("a" * 40, "a" * 19 + "-abc123def456"),
        ("a" * 18 + "-b", "a" * 18 + "-abc123def456"),
        ("3d-scan", "d-scan-abc123def456"),
        ("42", "app-abc123def456"),
    ],
)
def test_a_name_is_made_up_from_the_app_within_32_characters(app_name, expected):
    assert spec_of({"app_name": app_name, "app_version": "1"}).name == expected


def test_made_up_names_differ():
    usual = Defaults("r.example", None, Method.STANDARD, bool)
    names = {accept([Document("a", 1, {"app_name": "x", "app_version": "1"})], usual).specs[0].name for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch(r"x-[a-z0-9]{12}", name) for name in names)


@pytest.mark.parametrize(
    ("given", "ours", "expected", "warnings"),
    [
        ({}, "here", "here", ()),
        ({}, None, "", ()),
        ({"cluster_name": "here"}, "here", "here", ()),
        ({"cluster_name": "there"}, None, "there", ()),
        (
            {"cluster_name": "there"},
            "here",
            "there",
            ("cluster_name: 'there' is not the name of this cluster, 'here'; it is stored as given",),
        ),
        ({"acp_name": "there"}, "here", "there", ("acp_name: 'there' is not the name of this cluster, 'here'; it is stored as given",)),
        ({"acp_name": "there", "cluster_name": "here"}, "here", "here", ("acp_name: 'there' is ignored; 'here' in cluster_name is used",)),
    ],
)
def test_another_clusters_name_is_kept_with_a_warning(given, ours, expected, warnings):
    result = accepted(body(**given), cluster_name=ours)
    assert result.specs[0].cluster_name == expected
    assert result.warnings == tuple(f"a.yaml, document 1, {warning}" for warning in warnings)


def test_what_is_only_carried_is_carried():
    spec = spec_of(body(node_name="node-7", title="", source="krn:user:a@b"))
    assert (spec.node_name, spec.title, spec.source) == ("node-7", "w", "krn:user:a@b")
    assert spec_of(body(node_name="")).node_name is None


# --- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"app_version": "latest"}, "app_version: 'r.example:5000/motor-speed' with latest"),
        ({"payload": {"image": {"uri": "r.example/a"}}}, "payload.image.uri: 'r.example/a' with no tag"),
        (
            {"manifests": [deployment("nginx")]},
            "manifests[0].spec.template.spec.containers[0].image: 'docker.io/library/nginx' with no tag",
        ),
        (
            {"manifests": [obj(), deployment("r.example/x:latest")]},
            "manifests[1].spec.template.spec.containers[0].image: 'r.example/x' with latest",
        ),
    ],
)
def test_latest_and_no_tag_are_refused_when_staged_unless_allowed(given, expected):
    request = body(staged=True, **given)
    assert refused(request) == [f"{expected} is a tag that can move; use a version or a digest, or --allow-latest"]
    assert spec_of(request, allow_latest=True).method is Method.INSTANT
    assert spec_of(request | {"staged": False}).method is Method.STANDARD


def test_a_digest_is_as_good_as_a_version():
    image = "r.example/a@sha256:" + "0" * 64
    assert spec_of(body(staged=True, payload={"image": {"uri": image}})).image == image


# --- plain objects --------------------------------------------------------------------------------


def test_plain_objects_instead_of_a_payload():
    objects = [
        deployment("nginx:1.27"),
        obj(kind="List", name="l", items=[obj(), obj("Secret")]),
        obj("Service", metadata={"name": "s", "namespace": "app"}),
    ]
    spec = spec_of({"name": "web", "app_version": "1", "manifests": objects})
    assert (spec.app_name, spec.title, spec.image, spec.payload) == ("web", "web", "", {})
    assert [(one["kind"], one["metadata"]["name"]) for one in spec.manifests] == [
        ("Deployment", "d"),
        ("ConfigMap", "c"),
        ("Secret", "c"),
        ("Service", "s"),
    ]
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], ["manifests: empty; expected at least one Kubernetes object"]),
        ([{"kind": "List", "items": []}], ["manifests: empty; expected at least one Kubernetes object"]),
        ([{"kind": "List"}], ["manifests[0].items: expected a list, got null"]),
        (["hunter2", None], ["manifests[0]: expected a mapping, got text", "manifests[1]: expected a mapping, got null"]),
        (
            [{"kind": "Pod", "metadata": {"name": "x"}}],
            ["manifests[0].apiVersion: required field is missing; each object needs apiVersion, kind and metadata.name"],
        ),
        (
            [{"apiVersion": "v1", "metadata": {"name": "x"}}],
            ["manifests[0].kind: required field is missing; each object needs apiVersion, kind and metadata.name"],
        ),
        (
            [{"apiVersion": 1, "kind": "", "metadata": {"name": 5}}],
            [
                "manifests[0].apiVersion: expected text, got a number",
                "manifests[0].kind: expected text, got empty text",
                "manifests[0].metadata.name: expected text, got a number",
            ],
        ),
        ([{"apiVersion": "v1", "kind": "Pod"}], ["manifests[0].metadata: expected a mapping with a name, got null"]),
        (
            [{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}}],
            [
                "manifests[0].metadata.generateName: each update would create another object with a generated name; use metadata.name instead"
            ],
        ),
        (
            [obj(metadata={"name": "c", "labels": ["a"]})],
            ["manifests[0].metadata.labels: ConfigMap/c: metadata.labels must be a mapping, not a list"],
        ),
        (
            [obj(kind="List", items=[obj("Service", spec={"ports": [80]})])],
            ["manifests[0].items[0].spec.ports[0]: Service/c: spec.ports[0] must be a mapping, not a number"],
        ),
        ([obj(data={"a": "<% secrets.known %>"})], ["manifests[0]: ConfigMap/c: a ConfigMap must not refer to secrets; use a Secret"]),
        (
            [obj("Service", spec={"selector": {"app": "{{ .Release.Name }}"}})],
            ["manifests[0].spec.selector.app: Service/c: this is an unrendered Helm template; give the output of `helm template`"],
        ),
        (
            [obj(metadata={"name": "c", "namespace": "Not_One"})],
            ["manifests[0].metadata.namespace: expected a namespace name (lower-case letters, digits and -), or no value for app"],
        ),
        (
            [obj(metadata={"name": "c", "namespace": namespace}) for namespace in ("app", "other", "other")] + [obj()],
            [
                "manifests[2]: duplicate object ConfigMap/other/c; objects must be unique",
                "manifests[3]: duplicate object ConfigMap/c; objects must be unique",
            ],
        ),
        ([obj(), obj(kind="List", items=[obj()])], ["manifests[1].items[0]: duplicate object ConfigMap/c; objects must be unique"]),
        ([obj(name=f"c{number}") for number in range(101)], ["manifests: 101 objects; the limit is 100"]),
        (
            [deployment(None)],
            [
                "manifests[0].spec.template.spec.containers[0].image: not an image reference, got null; expected host[:port]/path[:tag][@sha256:digest]"
            ],
        ),
        (
            [deployment("UPPER")],
            [
                "manifests[0].spec.template.spec.containers[0].image: not an image reference; expected host[:port]/path[:tag][@sha256:digest]"
            ],
        ),
    ],
)
def test_each_refusal_of_plain_objects(objects, expected):
    assert refused(body(manifests=objects)) == expected


def manifests_of(*objects, **more):
    return accepted(body(manifests=list(objects)) | more)


def test_the_lists_of_each_kind_are_opened():
    typed = {
        "apiVersion": "v1",
        "kind": "ConfigMapList",
        "metadata": {"resourceVersion": "5"},
        "items": [{"metadata": {"name": "a"}}, obj()],
    }
    nested = {"apiVersion": "v1", "kind": "List", "items": [typed, {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": []}]}
    named = {"apiVersion": "e.example/v1", "kind": "AllowList", "metadata": {"name": "l"}, "items": [1]}
    assert manifests_of(nested, named).specs[0].manifests == (obj(name="a"), obj(), named)


def test_two_groups_may_have_the_same_kind_and_name():
    assert len(manifests_of(obj("Thing", apiVersion="a.example/v1"), obj("Thing", apiVersion="b.example/v1")).specs[0].manifests) == 2
    assert refused(body(manifests=[obj("Thing", apiVersion="a.example/v1"), obj("Thing", apiVersion="a.example/v2")])) == [
        "manifests[1]: duplicate object Thing/c; objects must be unique"
    ]


def test_nulls_and_fields_of_the_server_are_left_out_with_one_warning():
    exported = [obj(name=f"c{number}", metadata={"name": f"c{number}", "uid": "1"}, data={"a": "b", "n": None}) for number in range(5)]
    result = manifests_of(*exported)
    assert [item["metadata"] for item in result.specs[0].manifests] == [{"name": f"c{number}"} for number in range(5)]
    assert [item["data"] for item in result.specs[0].manifests] == [{"a": "b"}] * 5
    named = ", ".join(f"ConfigMap/c{number} (metadata.uid)" for number in range(3))
    assert result.warnings == (f"a.yaml, document 1, manifests: fields that the API server sets are left out: {named} and 2 more objects",)


def test_what_a_controller_among_the_objects_makes_is_left_out_with_one_warning():
    def made_by(kind, name, of):
        metadata = {"name": name, "ownerReferences": [{"kind": of[0], "name": of[1], "controller": True}]}
        return obj(kind, name, metadata=metadata, spec={"containers": []} if kind == "Pod" else {})

    pod = made_by("Pod", "d-1-x", ("Thing", "d-1"))
    result = manifests_of(obj("Widget", "d"), made_by("Thing", "d-1", ("Widget", "d")), pod)
    assert [item["kind"] for item in result.specs[0].manifests] == ["Widget"]
    assert [warning.partition(": ")[2] for warning in result.warnings] == [
        "objects that a controller in the request creates are left out: Thing/d-1, Pod/d-1-x"
    ]
    (thing,) = manifests_of(made_by("Thing", "d-1", ("Widget", "d"))).specs[0].manifests
    assert thing["metadata"] == {"name": "d-1"}


def test_a_file_without_any_key_of_an_object_is_one_finding():
    (finding,) = refused(body(manifests=[{"replicaCount": 1, "image": {"tag": "1"}}]))
    assert finding.startswith("manifests[0]: not a Kubernetes object: apiVersion, kind and metadata are missing; of a Helm chart give ")


def test_text_for_helm_in_a_custom_resource_is_for_its_controller():
    action = "{{ .Values.image }}"
    (item,) = manifests_of(obj("HelmChart", apiVersion="helm.cattle.io/v1", spec={"valuesContent": action})).specs[0].manifests
    assert item["spec"] == {"valuesContent": action}
    (finding,) = refused(body(manifests=[obj("HelmChart", action, apiVersion="helm.cattle.io/v1")]))
    assert finding.startswith("manifests[0].metadata.name: ")
    (finding,) = refused(body(manifests=[obj("Service", apiVersion="v1", spec={"externalName": action})]))
    assert finding.startswith("manifests[0].spec.externalName: ")


def test_what_only_a_newer_cluster_could_know_is_a_warning():
    (warning,) = manifests_of(obj("Service", spec={"selectr": {}})).warnings
    assert warning == (
        "a.yaml, document 1, manifests[0].spec.selectr: Service/c: spec.selectr is unknown; did you mean selector?; the cluster may refuse it"
    )


def test_a_rollout_that_is_paused_is_said_at_once():
    held = [
        deployment("r.example/a:1") | {"spec": deployment("r.example/a:1")["spec"] | {"paused": True}},
        obj("Job", apiVersion="batch/v1", spec={"suspend": True, "template": {"spec": {"containers": []}}}),
    ]
    assert manifests_of(*held).warnings == (
        "a.yaml, document 1, manifests[0].spec.paused: Deployment/d: spec.paused is true, so it cannot come up; remove that key",
        "a.yaml, document 1, manifests[1].spec.suspend: Job/c: spec.suspend is true, so it cannot come up; remove that key",
    )


def test_texts_of_other_template_engines_stay_as_they_are():
    page = "<h1><%= title %></h1>\n<% if (alarm) { %>ALARM<% } %> <% user.name %> {{ .Values.x }}"
    secret = obj("Secret", stringData={"page.ejs": page.replace("<% user.name %>", "<% secrets.known %>")})
    (spec,) = manifests_of(obj(data={"index.ejs": page}), secret).specs
    assert spec.manifests[0]["data"]["index.ejs"] == page
    assert refused(body(manifests=[obj("Secret", stringData={"a": "<% vault.x %>"})])) == [
        "manifests[0].stringData.a: unknown kind of reference; only <% secrets.NAME %> is supported"
    ]


COMPOSE = {"services": {"a": {"image": "eclipse-mosquitto:2"}}}
IS_COMPOSE = "this is a Compose file; write a request for each of its services, or convert it into Kubernetes objects (`kompose convert`)"
IS_KUSTOMIZATION = "this is a kustomization; give the output of `kubectl kustomize` for its folder"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (COMPOSE, IS_COMPOSE),
        (COMPOSE | {"version": "3", "name": "x"}, IS_COMPOSE),
        ({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["a.yaml"]}, IS_KUSTOMIZATION),
        ({"resources": ["a.yaml"]}, IS_KUSTOMIZATION),
        (
            {"apiVersion": "v2", "name": "chart", "version": "1.0.0"},
            "this is the Chart.yaml of a Helm chart; give the output of `helm template`",
        ),
        ({"apiVersion": "v1", "kind": "Config", "contexts": []}, "this is a kubeconfig; set cluster.kubeconfig to its path"),
        ({"spec_version": "5.0.0", "type": "docker"}, "this is an app manifest; give it as the payload (--payload)"),
        ({"app_name": "a", "app_version": "1"}, "this is a request; give it in a file of its own (-f), not as Kubernetes objects"),
    ],
)
def test_other_files_in_place_of_objects_are_named_with_what_to_do(given, expected):
    assert refused(body(manifests=[given, obj()])) == [f"manifests[0]: {expected}"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (COMPOSE, IS_COMPOSE),
        (obj(), "these are Kubernetes objects; give them as manifests (--manifest)"),
        ({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}, IS_KUSTOMIZATION),
        ({"spec_version": "5.0.0", "type": "docker"}, "this is an app manifest; give it as the payload (--payload)"),
    ],
)
def test_other_files_in_place_of_a_request_are_named_with_what_to_do(given, expected):
    assert refused(given) == [f": {expected}"]


@pytest.mark.parametrize(
    ("given", "expected"), [(COMPOSE, IS_COMPOSE), (obj(), "these are Kubernetes objects; give them as manifests (--manifest)")]
)
def test_other_files_in_place_of_a_payload_are_named_with_what_to_do(given, expected):
    assert refused(body(payload=given)) == [f"payload: {expected}"]


def test_a_custom_resource_may_be_called_like_a_file_of_another_tool():
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "k"}, "spec": {"path": "./x"}}
    assert manifests_of(flux).specs[0].manifests == (flux,)


def test_plain_objects_and_a_payload_exclude_each_other():
    assert refused(body(manifests=[obj()], payload={})) == ["manifests: manifests and payload are both given; give one of them"]


# --- secrets --------------------------------------------------------------------------------------


def with_value(value):
    return body(payload={"system": {"environment_vars": [{"name": "A", "value": value}]}})


def test_a_secret_that_is_not_here_is_said_with_its_own_error():
    documents = [Document("a.yaml", 1, with_value("<% secrets.nope %> and <%secrets.known%>"))]
    with pytest.raises(SecretMissing, match=r"^secret nope does not exist on this box$") as caught:
        accept(documents, defaults())
    assert caught.value.evidence == (
        "a.yaml, document 1, payload.system.environment_vars[0].value: secret nope does not exist on this box; create a file of that name in the secrets directory",
    )
    assert caught.value.exit_code == 65


def test_several_missing_secrets_are_named_in_one_error():
    objects = [obj("Secret", stringData={"x": "<% secrets.b %>", "y": "<% secrets.a %> <% secrets.b %>"})]
    with pytest.raises(SecretMissing, match=r"^secrets a, b do not exist on this box$") as caught:
        accepted(body(manifests=objects))
    assert len(caught.value.evidence) == 3


def test_missing_secrets_beside_other_findings_are_listed_with_them():
    assert refused(with_value("<% secrets.nope %>") | {"x": 1})[1:] == [
        "payload.system.environment_vars[0].value: secret nope does not exist on this box; create a file of that name in the secrets directory"
    ]


@pytest.mark.parametrize(
    "value", ["<% registries.r.example %>", "<% vault.hunter2 %>", "<%= x %>", "a <%\nsecrets. %>", "<% secrets./etc %>"]
)
def test_other_references_are_refused(value):
    assert refused(with_value(value)) == [
        "payload.system.environment_vars[0].value: unknown kind of reference; only <% secrets.NAME %> is supported"
    ]


def test_secrets_in_the_configuration_are_looked_for_too():
    with pytest.raises(SecretMissing):
        accepted(body(payload={"defaults": {"configuration": {"volumes": [{"text": {"pw": "<% secrets.nope %>"}}]}}}))


# --- flags ----------------------------------------------------------------------------------------


def test_flags_say_the_same_as_a_document():
    documents = from_flags(
        {"app_name": "motor-speed", "app_version": "2.3.0", "name": "w", "title": "T", "cluster_name": "here",
         "staged": True, "instantly_apply": False, "deployment_type": None},
        payload=("app.yaml", b"system: {privileged: true}"),
    )  # fmt: skip
    expected = body(title="T", cluster_name="here", deployment_type="staged-only", payload={"system": {"privileged": True}})
    assert accept(documents, defaults()).specs == (spec_of(expected),)
    (spec,) = accept(from_flags({"app_name": "a", "app_version": "1", "name": "w", "deployment_type": "staged-only"}), defaults()).specs
    assert spec.method is Method.STAGED


def test_a_variable_that_yaml_spells_in_another_way_is_warned_of_and_never_shown():
    lines = [
        "{name: A, value: no}",
        "{name: PIN, value: 0471}",
        "{name: B, value: 'no'}",
        "{name: C, value: false}",
        "{name: D, value: 471}",
    ]
    text = f"spec_version: 4.0.0\nsystem:\n  environment_vars: [{', '.join(lines)}]\n".encode()
    message = "without quotes, YAML reads this as true, false or another number, and the variable gets that value; put it in quotes"
    result = accept(from_flags({"name": "w", "app_name": "a", "app_version": "1"}, payload=("app.yaml", text)), defaults())
    assert result.warnings == tuple(f"app.yaml, document 1, system.environment_vars[{number}].value: {message}" for number in (0, 1))
    assert [item.value for item in result.specs[0].system.environment] == ["false", "313", "no", "false", "471"]
    request = b"name: w\napp_name: a\napp_version: '1'\npayload:\n  system: {environment_vars: [{name: A, value: yes}]}\n"
    assert len(accept(read("r.yaml", request), defaults()).warnings) == 1


def test_findings_of_flags_name_the_flags_or_the_file():
    documents = from_flags({"name": "W"}, payload=("app.yaml", b"type: docker\ndefaults:\n  system: {ports: [{name: p, host: {port: 1}}]}"))
    with pytest.raises(RequestRefused) as caught:
        accept(documents, defaults())
    assert caught.value.evidence == (
        f"flags, name: expected {PLAIN}, got 'W'",
        "app.yaml, document 1, defaults.system.ports[0].service: required field is missing; type service needs a mapping with a port",
        "flags, app_name: required field is missing; give the app's name here or in the payload",
        "flags, app_version: required field is missing; give the app's version here or in the payload",
    )


def test_manifest_files_become_objects_that_keep_their_files():
    files = [("k8s.yaml", b"---\n" + json.dumps(obj()).encode() + b"\n---\n---\n" + json.dumps(obj("Pod", "")).encode()), ("b.json", b"5")]
    documents = from_flags({"name": "web", "app_version": "1"}, manifests=files)
    with pytest.raises(RequestRefused) as caught:
        accept(documents, defaults())
    assert caught.value.evidence == (
        "b.json, document 1: expected a mapping, got a number",
        "k8s.yaml, document 3, metadata.name: expected text, got empty text",
    )


def test_files_of_flags_that_cannot_be_read_are_refused_together():
    with pytest.raises(RequestRefused) as caught:
        from_flags({}, payload=("app.yaml", b""), manifests=[("k8s.yaml", b"a: {")])
    assert [line.split(":")[0] for line in caught.value.evidence] == ["app.yaml", "k8s.yaml, document 1"]
    with pytest.raises(RequestRefused) as caught:
        from_flags({}, payload=("app.yaml", b"a: 1\n---\nb: 2"))
    assert caught.value.evidence == ("app.yaml, document 2: too many documents; an app manifest is one document",)


# --- much of it -----------------------------------------------------------------------------------


def test_very_many_findings_are_counted_and_not_written_out():
    found = refused(body(**{f"x{number}": 1 for number in range(150)}))
    assert len(found) == 101
    assert found[-1] == ": and 50 more findings"


@pytest.mark.slow
def test_a_large_wrong_request_takes_no_long_time():
    start = time.process_time()
    refused(body(**{f"x{number}": 1 for number in range(50_000)}))
    refused(body(payload={"system": {"volumes": [{"target": "/same", "type": "persistent"}] * 1000}}))
    assert accepted(with_value("<%" * 1_000_000)).specs
    assert time.process_time() - start < 10


# --- whatever comes in ----------------------------------------------------------------------------

SECRETIVE = body(
    payload={
        "spec_version": "5.0.0",
        "type": "docker",
        "image": {"mode": "manual", "uri": "r.example/a:1"},
        "defaults": {
            "configuration": {"password": "hunter2", "list": ["hunter2"]},
            "system": {
                "environment_vars": [{"name": "A", "value": "hunter2"}, {"name": "B", "value": ["hunter2"]}],
                "ports": [{"name": "p", "type": "host", "host": {"port": 80, "protocol": "tcp"}}],
                "volumes": [
                    {"name": "v", "target": "/v", "type": "secret", "secret": {"value": "hunter2", "mode": "0600"}},
                    {"name": "w", "target": "/w", "type": "text", "text": {"data": "hunter2", "base64": False}},
                ],
                "health_check": {
                    "liveness_probe": {"exec": {"command": ["x", "hunter2"]}},
                    "readiness_probe": {"http_get": {"port": 80, "http_headers": [{"name": "X", "value": "hunter2"}]}},
                },
            },
        },
    }
)
OBJECTS = {
    "name": "w",
    "app_version": "1",
    "manifests": [
        obj("Secret", stringData={"x": "hunter2"}, data={"y": "aHVudGVyMg=="}),
        {"kind": "List", "items": [deployment("r.example/a:1")]},
    ],
}


def changed(value, replacement):
    """Copies of a document, each with one part of it replaced, or its key misspelt."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield {f"{name}x" if name == key else name: other for name, other in value.items()}
            for inner in changed(item, replacement):
                yield value | {key: inner}
    if isinstance(value, list):
        for number, item in enumerate(value):
            for inner in changed(item, replacement):
                yield [*value[:number], inner, *value[number + 1 :]]
    yield replacement


@pytest.mark.slow
@pytest.mark.parametrize("document", [SECRETIVE, OBJECTS])
@pytest.mark.parametrize(
    "replacement",
    [None, 5, -0.5, True, "", "zz", "<% x %>", "<% secrets.nope %>", [], {}, ["hunter2"], {"k": "hunter2"}, [{"name": "hunter2 "}], [[[]]]],
)
def test_whatever_is_wrong_ends_in_findings_that_show_no_secret(document, replacement):
    accepted(document)
    said = []
    for one in changed(document, replacement):
        for staged in ({}, {"staged": True}):
            try:
                accepted(one | staged if isinstance(one, dict) else one)
            except (RequestRefused, SecretMissing) as error:
                said.append("\n".join([str(error), *error.evidence]))
    assert len(said) > 20
    # a name is no secret, wherever it was taken from
    assert not [lines for lines in said if "\n" not in lines or "hunter2" in lines.replace("'hunter2 '", "")]
