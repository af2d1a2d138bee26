"""The newer routes: the same workloads in another shape, with the codes that newer clients know."""

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.ledger import orders
from kelvin_provision.status import Verb
from tests.kit.images import random_image
from tests.kit.openapi import valid

APPS = "/api/v4/apps/workloads"
SYSTEM = {"environment_vars": [{"name": "SPEED", "value": "3"}, {"name": "TOKEN", "value": "s3cr3t-of-motor"}], "privileged": False}


@pytest.fixture
def box(box):
    box.settings = type(box.settings)(**vars(box.settings) | {"registry": "r.io"})
    for version in ("1.0.0", "2.0.0"):
        box.source.images[f"r.io/motor:{version}"] = random_image([3000])
    return box


def body(**more):
    given = {"name": "m-1", "app_name": "motor", "app_version": "1.0.0", "cluster_name": "c", "title": "Motor", "node_name": None}
    return given | {"deployment_type": "staged-only", "runtime": {"configuration": {"speed": 3}}, "system": SYSTEM} | more


def create(api, **more):
    answer = api.post(f"{APPS}/create", body(**more), Level.DEPLOY)
    assert answer.status == 201, answer.body
    return answer.json


def names(*given):
    return {"workload_names": list(given)}


def spec(box, name="m-1"):
    workload = box.ledger.workload(name)
    return (workload.staged or workload.running).spec


def test_a_workload_is_created_read_changed_and_removed(box, api):
    document = create(api)
    assert (document["name"], document["app_type"], document["status"]["state"]) == ("m-1", "docker", "staged")
    assert document["runtime"] == {"configuration": {"speed": 3}, "custom_actions": [], "resources": []}
    assert document["system"]["environment_vars"] == [{"name": "SPEED", "value": "***"}, {"name": "TOKEN", "value": "***"}]
    assert (document["staged"]["deployment_type"], document["staged"]["ready"]) == ("staged-only", False)
    assert document["staged"]["runtime"] == document["runtime"]
    assert {"created_at", "created_by", "updated_at", "updated_by", "api_permissions", "service_account_status"} <= set(document)
    box.turn()
    for verb, state in (("apply", "running"), ("stop", "stopped"), ("start", "running")):
        answer = api.post(f"{APPS}/{verb}", names("m-1"), Level.OPERATE)
        assert (answer.status, answer.body, "content-type" in answer.headers) == (204, b"", False)
        box.turn()
        assert api.get(f"{APPS}/m-1/get").json["status"]["state"] == state
    assert api.post(f"{APPS}/delete", names("m-1"), Level.OPERATE).status == 403
    assert api.post(f"{APPS}/delete", names("m-1")).status == 204
    box.turn()
    assert api.get(f"{APPS}/m-1/get").status == 404


def test_a_patch_keeps_the_registry_of_the_workload(box, api):
    create(api)
    box.settings = type(box.settings)(**vars(box.settings) | {"registry": None})
    assert api.post(f"{APPS}/m-1/patch", {"app_version": "2.0.0"}, Level.DEPLOY).status == 200
    assert spec(box).image == "r.io/motor:2.0.0"


def test_several_are_one_order(box, api):
    assert api.post(f"{APPS}/stop", names("pump", "fan", "pump"), Level.OPERATE).status == 204
    (order,) = orders.recent(box.ledger)
    assert (order.verb, order.names) == (Verb.STOP, ("pump", "fan"))
    assert api.post(f"{APPS}/stop", names("gone", "absent"), Level.OPERATE).status == 404
    assert len(orders.recent(box.ledger)) == 1


def test_of_several_with_some_wrong_the_others_are_done_and_207_names_those(box, api):
    answers = [api.post(f"{APPS}/apply", names("absent", "pump", "fan", "valve"), Level.OPERATE) for _ in range(2)]
    assert [answer.status for answer in answers] == [207, 207]
    assert answers[0].json == answers[1].json, "the same request again"
    refused = {error["payload"]["workload_name"]: error["name"] for error in answers[0].json["errors"]}
    assert refused == {"absent": "workload-unknown", "fan": "nothing-staged"}
    valid(answers[0], f"{APPS}/apply", "post")
    (order,) = orders.recent(box.ledger)
    assert order.names == ("pump", "valve")
    box.deploy("fan", version="3.0.0")
    box.turn()
    assert api.post(f"{APPS}/apply", names("absent", "pump", "fan", "valve"), Level.OPERATE).json["errors"][0]["name"] == "workload-unknown"
    assert [order.names for order in orders.recent(box.ledger)] == [("fan",), ("pump", "valve")], "what can be done by now is done"
    box.turn()
    assert {box.states()[name] for name in ("pump", "fan", "valve")} == {("running", None)}


def test_start_stop_and_delete_have_207_too(box, api):
    assert api.post(f"{APPS}/start", names("pump", "valve"), Level.OPERATE).json["errors"][0]["name"] == "nothing-applied"
    assert api.post(f"{APPS}/delete?staged=true", names("pump", "fan"), Level.OPERATE).status == 207
    assert api.post(f"{APPS}/delete", names("fan", "absent")).status == 207
    box.turn()
    assert box.states() == {"pump": ("running", None), "valve": ("staged", "ready")}


def test_what_is_on_a_box_is_enabled(box, api):
    assert api.post(f"{APPS}/stop", names("pump"), Level.OPERATE).status == 204
    box.turn()
    assert api.get(f"{APPS}/pump/get").json["enabled"] is True, "on the older routes, enabled means that the workload runs"
    assert api.get("/api/v4/workloads/pump/get").json["enabled"] is False
    assert api.post(f"{APPS}/enable", names("pump", "valve"), Level.OPERATE).status == 204
    answer = api.post(f"{APPS}/enable", names("pump", "absent"), Level.OPERATE)
    assert (answer.status, answer.json["errors"][0]["payload"]) == (207, {"workload_name": "absent"})
    assert api.post(f"{APPS}/enable", names("absent"), Level.OPERATE).status == 404
    assert api.post(f"{APPS}/enable", {"workload_names": []}, Level.OPERATE).status == 400
    assert api.post(f"{APPS}/enable", names("pump"), Level.READ).status == 403


def test_several_get_the_same_fields_all_or_none(box, api):
    for name in ("m-1", "m-2"):
        create(api, name=name)
    update = names("m-1", "m-2") | {"app_name": "motor", "app_version": "2.0.0", "runtime": {"configuration": {"speed": 9}}}
    for _ in range(2):
        answer = api.post(f"{APPS}/bulk/update", update, Level.DEPLOY)
        assert (answer.status, answer.body) == (204, b"")
    for name in ("m-1", "m-2"):
        made = spec(box, name)
        assert (made.app_version, made.configuration, made.image) == ("2.0.0", {"speed": 9}, "r.io/motor:2.0.0")
        assert box.ledger.workload(name).staged.number == 2, "the same request again made nothing"
    answer = api.post(f"{APPS}/bulk/update", names("m-1", "absent") | {"deployment_type": "standard"}, Level.DEPLOY)
    assert (answer.status, answer.error["name"]) == (404, "workload-unknown")
    answer = api.post(f"{APPS}/bulk/update", names("m-1", "pump") | {"app_name": "motor", "app_version": "1.0.0"}, Level.DEPLOY)
    assert (answer.status, answer.error["description"]) == (400, "pump: of another app than 'motor'")
    answer = api.post(f"{APPS}/bulk/update", names("m-1", "m-2") | {"system": {"privlegd": True}}, Level.DEPLOY)
    assert answer.error["payload"]["evidence"] == ["m-1: system.privlegd: unknown key 'privlegd'; did you mean privileged?"]
    assert api.post(f"{APPS}/bulk/update", names("m-1"), Level.DEPLOY).error["description"] == "the body changes nothing"
    assert api.post(f"{APPS}/bulk/update", {"app_version": "2.0.0"}, Level.DEPLOY).status == 400
    assert box.ledger.workload("m-1").staged.number == 2


def test_permissions_are_kept_and_replaced(box, api):
    permissions = [{"permission": "kelvin.permission.asset.read"}]
    assert create(api, api_permissions=permissions)["api_permissions"] == permissions
    assert api.post(f"{APPS}/m-1/patch", {"title": "New"}, Level.DEPLOY).json["api_permissions"] == permissions
    assert api.post(f"{APPS}/m-1/patch", {"api_permissions": []}, Level.DEPLOY).json["api_permissions"] == []


def test_resources_are_of_the_platform(api):
    answer = api.post(f"{APPS}/pump/resources/add", {"resource": "krn:asset:x"}, Level.DEPLOY)
    assert (answer.status, answer.error["description"]) == (409, "a box has no assets: a workload here gets no resources")
    assert api.post(f"{APPS}/pump/resources/remove", {"resources": ["krn:asset:x"]}, Level.DEPLOY).status == 204
    assert api.post(f"{APPS}/pump/resources/remove", {"resources": "x"}, Level.DEPLOY).status == 400
    for verb, body in (("add", {}), ("remove", {"resources": []})):
        assert api.post(f"{APPS}/absent/resources/{verb}", body, Level.DEPLOY).status == 404


def test_what_these_routes_do_not_declare_is_400(api):
    assert (api.post(f"{APPS}/apply", names("fan"), Level.OPERATE).status, api.post(f"{APPS}/start", names("valve")).status) == (400, 400)
    assert api.post(f"{APPS}/delete?staged=true", names("fan"), Level.OPERATE).error["name"] == "nothing-staged"


def test_a_patch_replaces_what_is_given_and_nothing_else(box, api):
    create(api)
    before = spec(box)
    shown = api.get(f"{APPS}/m-1/get").json
    answer = api.post(f"{APPS}/m-1/patch", {"runtime": {"configuration": {"speed": 4}}, "system": shown["system"]}, Level.DEPLOY)
    assert (answer.status, answer.json["runtime"]["configuration"]) == (200, {"speed": 4})
    after = spec(box)
    assert (after.configuration, after.system, after.image) == ({"speed": 4}, before.system, before.image)
    answer = api.post(f"{APPS}/m-1/patch", {"app_version": "2.0.0", "title": "New", "deployment_type": None}, Level.DEPLOY)
    assert answer.status == 200, answer.body
    after = spec(box)
    assert (after.app_version, after.title, after.image, after.configuration) == ("2.0.0", "New", "r.io/motor:2.0.0", {"speed": 4})
    assert (after.payload["version"], after.method, after.system) == ("2.0.0", before.method, before.system)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nme": "x"}, "unknown key 'nme'; did you mean name?"),
        ({"app_version": None}, "required field is missing: app_version"),
        ({"enabled": False}, "a workload on a box is created to run"),
        ({"runtime": {"resources": [{"resource": "krn:asset:x"}]}}, "runtime.resources cannot be used: a box has no assets"),
        ({"runtime": []}, "runtime is not an object"),
        ({"runtime": {"configuration": 7}}, "runtime.configuration is not an object"),
        ({"deployment_type": "later"}, "invalid request"),
        ({"system": {"privlegd": True}}, "invalid request"),
    ],
)
def test_a_body_that_cannot_be_meant_is_400(box, api, changes, said):
    answer = api.post(f"{APPS}/create", body(**changes), Level.DEPLOY)
    assert answer.status == 400
    assert said in answer.error["description"]
    assert box.ledger.existing(["m-1"]) == {}


def test_findings_are_named_by_their_place_in_the_body(api):
    evidence = api.post(f"{APPS}/create", body(system={"privlegd": True}), Level.DEPLOY).error["payload"]["evidence"]
    assert evidence == ["system.privlegd: unknown key 'privlegd'; did you mean privileged?"]


def test_nothing_is_created_stopped_and_nothing_is_patched_with_nothing(api):
    assert api.post(f"{APPS}/create?stopped=true", body(), Level.DEPLOY).status == 400
    assert api.post(f"{APPS}/pump/patch", {"title": None}, Level.DEPLOY).error["description"] == "the body changes nothing"
    assert api.post(f"{APPS}/absent/patch", {"title": "x"}, Level.DEPLOY).status == 404


def test_another_version_of_an_app_that_names_its_image_is_refused(box, api):
    image = {"mode": "manual", "uri": "r.io/motor:1.0.0"}
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "motor", "version": "1.0.0", "image": image}
    document = {"name": "own", "app_name": "motor", "app_version": "1.0.0", "payload": payload, "staged": True, "instantly_apply": False}
    assert api.post("/api/v4/workloads/deploy", document, Level.DEPLOY).status == 201
    answer = api.post(f"{APPS}/own/patch", {"app_version": "2.0.0"}, Level.DEPLOY)
    assert (answer.status, answer.error["description"]) == (400, "own names its image itself, so that another app_version has no image")
    assert api.post(f"{APPS}/own/patch", {"title": "Own"}, Level.DEPLOY).json["title"] == "Own"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["fan", "pump", "valve"]),
        ("workload_names=pump&workload_names=fan&sort_by=created_at", ["fan", "pump"]),
        ("app_names=valve&cluster_names=c", ["valve"]),
        ("app_versions=9.9.9", []),
        ("statuses=running", ["fan", "pump"]),
        ("statuses=staged", ["valve"]),
        ("staged=true", ["pump", "valve"]),
        ("app_types=docker&download_statuses=ready", ["fan", "pump", "valve"]),
        ("app_types=importer", []),
        ("resources=krn:asset:x", []),
        ("direction=desc&page_size=2", ["valve", "pump"]),
    ],
)
def test_the_list_has_the_newer_filters(quiet, query, expected):
    answer = quiet.get(f"{APPS}/list?{query}")
    assert (answer.status, [item["name"] for item in answer.json["data"]]) == (200, expected)


def test_an_item_of_the_list_has_no_runtime_and_the_older_names_are_unknown(quiet):
    (item,) = quiet.get(f"{APPS}/list?workload_names=pump").json["data"]
    assert {"app_type", "created_at", "updated_at"} <= set(item)
    assert {"runtime", "system", "acp_name", "created"} & {*item, *item["staged"]} == set()
    assert quiet.get(f"{APPS}/list?workload_name=pump").status == 400
    assert quiet.get(f"{APPS}/list?statuses=gone").status == 400


def test_a_cursor_carries_the_types(quiet):
    first = quiet.get(f"{APPS}/list?app_types=docker&page_size=2").json
    second = quiet.get(f"{APPS}/list?next={first['pagination']['next_page']}").json
    assert [item["name"] for item in second["data"]] == ["valve"]


def test_apps_on_this_box_read_what_runs_without_a_login(quiet):
    answer = quiet.ask("GET", "/workloads/list")
    assert answer.json["data"][1] == {"name": "pump", "app_name": "pump", "app_version": "1.0.0", "status": "running", "running": True}
    assert [item["running"] for item in answer.json["data"]] == [True, True, False]
