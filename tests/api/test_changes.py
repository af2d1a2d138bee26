"""Changes: each is an order before it is answered, is done once, and the agent does it."""

import threading

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.errors import AgentSilent
from kelvin_provision.ledger import history, holds, orders
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.settings.model import ApplySettings
from kelvin_provision.settings.window import Window
from kelvin_provision.status import Verb
from tests.kit.api import serving
from tests.kit.images import random_image
from tests.kit.requests import platform_request

V4 = "/api/v4/workloads"
APPLY = f"{V4}/apply"


def state(api, name):
    return api.get(f"{V4}/{name}/get").json["status"]["state"]


def placed(box):
    return [(order.verb, order.names) for order in reversed(orders.recent(box.ledger))]


def test_apply_is_answered_empty_when_the_order_is_stored_and_the_agent_carries_it_out(box, api):
    answer = api.post(APPLY, {"workload_names": ["pump", "valve"]}, Level.OPERATE)
    assert (answer.status, answer.body, "content-type" in answer.headers) == (200, b"", False)
    assert (state(api, "pump"), state(api, "valve")) == ("pending_apply", "pending_apply")
    box.turn()
    assert (state(api, "pump"), state(api, "valve")) == ("running", "running")
    (order,) = orders.recent(box.ledger)
    assert (order.actor, order.outcome) == ("operate@127.0.0.1 via api", Outcome.DONE)
    lines = [(line.workload, line.action, line.who) for line in history.history(box.ledger) if line.who.endswith("via api")]
    assert ("pump", "apply order", "operate@127.0.0.1 via api") in lines


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_older_route_applies_one(box, api, method):
    assert api.ask(method, f"{V4}/pump/apply", token=api.as_level(Level.OPERATE)).status == 200
    assert placed(box) == [(Verb.APPLY, ("pump",))]


def test_stop_start_stop_are_three_changes_and_each_repetition_is_none(box, api):
    for verb in ("stop", "stop", "start", "start", "stop", "stop"):
        answer = api.get(f"{V4}/pump/{verb}", Level.OPERATE)
        assert (answer.status, answer.body) == (200, b"")
    assert placed(box) == [(Verb.STOP, ("pump",)), (Verb.START, ("pump",)), (Verb.STOP, ("pump",))]
    assert state(api, "pump") == "pending_stop"
    box.turn()
    assert state(api, "pump") == "stopped"


def test_a_client_that_was_not_answered_sends_it_again_and_it_is_done_once(box, api):
    body = {"workload_names": ["pump"]}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.post(APPLY, body, Level.OPERATE).status)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    box.turn()
    assert api.post(APPLY, body, Level.OPERATE).status == 200, "nothing is staged any more, and the request is the same"
    assert (answers, placed(box)) == ([200] * 5, [(Verb.APPLY, ("pump",))])
    assert api.post(APPLY, body, Level.ADMIN).status == 406, "another user has not asked for it before"


def test_a_repetition_is_known_to_the_next_process(box):
    with serving(box) as api:
        assert api.get(f"{V4}/pump/stop", Level.OPERATE).status == 200
    (box.settings.state_dir / "api-users.json").unlink()
    with serving(box) as api:
        assert api.get(f"{V4}/pump/stop", Level.OPERATE).status == 200
    assert placed(box) == [(Verb.STOP, ("pump",))]


def test_undeploy_removes_what_is_said(box, api):
    assert api.post(f"{V4}/pump/undeploy?staged=True", level=Level.OPERATE).status == 200
    box.turn()
    assert api.get(f"{V4}/pump/get").json["staged"] is None
    assert api.post(f"{V4}/pump/undeploy?staged=false").status == 200
    assert state(api, "pump") == "pending_stop"
    box.turn()
    assert api.get(f"{V4}/pump/get").status == 404
    assert api.post(f"{V4}/pump/undeploy?staged=false").status == 200, "the same request again"
    assert api.post(f"{V4}/pump/undeploy").status == 200, "the same request, spelt differently"


def test_what_would_be_refused_at_once_is_refused_and_nothing_is_stored(box, api):
    box.source.images["r.io/late:1.0.0"] = None
    box.deploy("late")
    cases = [
        (["absent"], 404, "workload-unknown"),
        (["fan"], 406, "nothing-staged"),
        (["pump", "fan"], 406, "nothing-staged"),
        (["late"], 406, "not-ready"),
    ]
    for names, status, name in cases:
        answer = api.post(APPLY, {"workload_names": names}, Level.OPERATE)
        assert (answer.status, answer.error["name"]) == (status, name), names
    assert api.get(f"{V4}/valve/start", Level.OPERATE).error["name"] == "nothing-applied"
    assert api.get(f"{V4}/valve/start", Level.OPERATE).status == 409
    assert api.post(f"{V4}/fan/undeploy?staged=true").status == 400, "this route does not know 406"
    assert placed(box) == []


def test_a_hold_and_a_closed_window_are_406_with_their_reason(box):
    holds.hold(box.ledger, ["pump"], "the pump is being measured", actor="anna")
    with serving(box) as api:
        answer = api.post(APPLY, {"workload_names": ["pump"]})
        assert (answer.status, answer.error["name"]) == (406, "held")
        assert "the pump is being measured" in answer.error["description"]
    (box.settings.state_dir / "api-users.json").unlink()
    now = box.ctx.now.astimezone()
    minute = f"{(now.hour + 12) % 24:02d}:00-{(now.hour + 12) % 24:02d}:30"
    box.settings = type(box.settings)(**vars(box.settings) | {"apply": ApplySettings(window=Window.parse(minute))})
    with serving(box) as api:
        answer = api.post(APPLY, {"workload_names": ["valve"]})
        assert (answer.status, answer.error["name"]) == (406, "outside-window")


class NoAgent:
    def ensure(self, settings):
        raise AgentSilent("the agent did not start")

    def survives_reboot(self, settings):
        return True


def test_without_an_agent_the_answer_is_503_and_nothing_is_stored(box):
    box.launcher = NoAgent()
    with serving(box) as api:
        answer = api.get(f"{V4}/pump/stop", Level.OPERATE)
        assert (answer.status, answer.error["name"]) == (503, "agent-silent")
    assert placed(box) == []


# --- deploy ---------------------------------------------------------------------------------------


def test_a_deploy_is_201_with_the_workload(box, api):
    answer = api.post(f"{V4}/deploy", platform_request(), Level.DEPLOY)
    document = answer.json
    assert (answer.status, document["name"], document["title"], document["status"]["state"]) == (201, "motor", "Motor", "staged")
    assert (document["staged"]["ready"], document["staged"]["status"]["state"], document["download_status"]) == (
        False,
        "received",
        "pending",
    )
    assert document["payload"]["name"] == "motor"
    (line,) = [line for line in history.history(box.ledger, "motor") if line.action == "deploy"]
    assert line.who == "deploy@127.0.0.1 via api"


def test_the_same_deploy_again_is_the_same_revision_until_something_changes(box, api):
    answers = [api.post(f"{V4}/deploy", platform_request(), Level.DEPLOY).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert box.ledger.workload("motor").staged.number == 1
    api.post(f"{V4}/deploy", platform_request(version="2.0.0"), Level.DEPLOY)
    api.post(f"{V4}/deploy", platform_request(), Level.DEPLOY)
    assert box.ledger.workload("motor").staged.number == 3


def deployed(box, api, title="Motor", **more):
    box.source.images.setdefault("r.io/motor:1.0.0", random_image([3000]))
    answer = api.post(f"{V4}/deploy", platform_request(title=title, **more), Level.DEPLOY)
    assert (answer.status, answer.json["title"]) == (201, title)
    return api.get(f"{V4}/motor/get").json["title"]


def remove_staged(box, api):
    assert api.post(f"{V4}/motor/undeploy?staged=true", level=Level.OPERATE).status == 200
    box.turn()
    assert api.get(f"{V4}/motor/get").status == 404


def test_after_an_undeploy_a_deploy_is_told_from_another_one_with_the_same_number(box, api):
    deployed(box, api, "A")
    remove_staged(box, api)
    deployed(box, api, "B")
    assert deployed(box, api, "A") == "A"
    deployed(box, api, "A")
    assert box.ledger.workload("motor").staged.number == 2, "the last one was a repetition"


def test_a_deploy_after_an_order_that_is_still_pending_is_a_new_one(box, api):
    deployed(box, api)
    assert api.post(f"{V4}/motor/undeploy?staged=true", level=Level.OPERATE).status == 200
    deployed(box, api)
    assert box.ledger.workload("motor").staged.number == 2
    box.turn()
    assert api.get(f"{V4}/motor/get").json["staged"]["ready"], "the undeploy was about the first one"


@pytest.mark.parametrize("staged", ["true", "false"])
def test_an_undeploy_leaves_what_was_deployed_after_it(box, api, staged):
    deployed(box, api, "A")
    assert api.post(f"{V4}/motor/undeploy?staged={staged}").status == 200
    deployed(box, api, "B")
    box.turn()
    document = api.get(f"{V4}/motor/get").json
    assert (document["title"], document["staged"]["ready"]) == ("B", True)


def test_a_deploy_is_a_repetition_until_another_change_is_accepted_and_its_own_apply_is_none(box, api):
    instantly = {"instantly_apply": True}
    deployed(box, api, **instantly)
    box.turn()
    assert state(api, "motor") == "running"
    deployed(box, api, **instantly)
    assert box.ledger.workload("motor").staged is None
    box.stop("motor")
    deployed(box, api, **instantly)
    assert box.ledger.workload("motor").staged.number == 2, "stopped at the terminal in between"
    assert api.get(f"{V4}/pump/stop", Level.OPERATE).status == 200
    deployed(box, api, **instantly)
    assert box.ledger.workload("motor").staged.number == 2, "another workload"


def test_deploys_at_once_are_one_revision_each(box, api):
    threads = [threading.Thread(target=lambda: api.post(f"{V4}/deploy", platform_request(), Level.DEPLOY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.ledger.workload("motor").staged.number == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b"{", "invalid request"),
        (b"[1]", "invalid request"),
        (b"\xff", "invalid request"),
        (b"[" * 20_000, "invalid request"),
        (b'{"app_name": "a", "app_name": "b"}', "invalid request"),
    ],
)
def test_a_body_that_is_no_request_is_400(api, body, said):
    answer = api.post(f"{V4}/deploy", body, Level.DEPLOY)
    assert answer.status == 400
    assert said in answer.error["description"]


def test_findings_are_in_the_payload(box, api):
    answer = api.post(f"{V4}/deploy", platform_request(app_nme="x", staged="perhaps"), Level.DEPLOY)
    assert (answer.status, answer.error["name"]) == (400, "request-refused")
    evidence = answer.error["payload"]["evidence"]
    assert any("unknown key 'app_nme'; did you mean app_name?" in line for line in evidence)
    assert any("staged" in line for line in evidence)
    assert box.ledger.existing(["motor"]) == {}


def test_what_a_client_may_not_mean_is_refused(api):
    answer = api.post(f"{V4}/deploy", platform_request(staged=False, instantly_apply=False), Level.DEPLOY)
    assert answer.status == 400


# --- configuration --------------------------------------------------------------------------------

MODERN = {"defaults": {"configuration": {"speed": 3, "mqtt": {"host": "broker", "password": "s3cr3t-of-mqtt"}, "tags": ["a", "b"]}}}
LEGACY = {
    "spec_version": None,
    "type": None,
    "name": None,
    "title": None,
    "description": None,
    "version": None,
    "info": {"name": "motor", "version": "1.0.0"},
}


def configured(payload):
    body = platform_request()
    return body | {"payload": {key: value for key, value in {**body["payload"], **payload}.items() if value is not None}}


def update(api, configuration, name="motor", level=Level.DEPLOY):
    return api.post(f"{V4}/{name}/configurations/update", {"configuration": configuration}, level)


def stored(box, name="motor"):
    workload = box.ledger.workload(name)
    return (workload.staged or workload.running).spec


def test_a_configuration_is_shown_without_its_secrets_and_changed_with_them(box, api):
    api.post(f"{V4}/deploy", configured(MODERN), Level.DEPLOY)
    before = stored(box)
    shown = api.get(f"{V4}/motor/configurations/get").json["configuration"]
    assert shown == {"speed": 3, "mqtt": {"host": "broker", "password": "***"}, "tags": ["a", "b"]}
    answer = update(api, shown | {"speed": 4})
    assert (answer.status, answer.json) == (200, {"configuration": shown | {"speed": 4}})
    after = stored(box)
    assert after.configuration == before.configuration | {"speed": 4}
    assert after.payload["defaults"]["configuration"] == after.configuration
    assert (after.image, after.method, after.title, after.system) == (before.image, before.method, before.title, before.system)
    assert box.ledger.workload("motor").staged.number == 2
    assert update(api, shown | {"speed": 4}).status == 200
    assert box.ledger.workload("motor").staged.number == 2, "the same request again"
    assert update(api, {}).json == {"configuration": {}}
    assert stored(box).configuration == {}


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (
            LEGACY | {"app": {"type": "docker", "docker": {"dockerfile": "D", "context": ".", "configuration": {"speed": 3}}}},
            ("app", "docker"),
        ),
        (LEGACY | {"app": {"type": "kelvin", "kelvin": {"configuration": {"speed": 3}}}}, ("app", "kelvin")),
        ({"type": "app", "defaults": {"app": {"configuration": {"speed": 3}}}}, ("defaults",)),
    ],
)
def test_each_generation_of_manifests_has_it_in_its_place(box, api, payload, place):
    answer = api.post(f"{V4}/deploy", configured(payload), Level.DEPLOY)
    assert answer.status == 201, answer.body
    for configuration in ({"speed": 4}, {}):
        assert update(api, configuration).status == 200
        block = stored(box).payload
        for key in place:
            block = block[key]
        assert (block["configuration"], stored(box).configuration) == (configuration, configuration)
        assert api.get(f"{V4}/motor/configurations/get").json == {"configuration": configuration}
    accepted = api.post(f"{V4}/deploy", platform_request() | {"payload": stored(box).payload, "name": "again"}, Level.DEPLOY)
    assert (accepted.status, stored(box, "again").configuration) == (201, {}), "what was made is a valid request"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, 'the body is not {"configuration": {...}}'),
        ({"configuration": None}, 400, "the body is not"),
        ({"configuration": []}, 400, "the body is not"),
        ({"configuration": {}, "more": 1}, 400, "the body is not"),
        ({"configuration": {"new": "***"}}, 400, "invalid request: 1 finding"),
        ({"configuration": {"new": "<% secrets.absent %>"}}, 400, "secret absent does not exist on this box"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(box, api, body, status, said):
    api.post(f"{V4}/deploy", configured(MODERN), Level.DEPLOY)
    answer = api.post(f"{V4}/motor/configurations/update", body, Level.DEPLOY)
    assert answer.status == status
    assert said in answer.error["description"]
    assert box.ledger.workload("motor").staged.number == 1


def test_an_unknown_workload_has_no_configuration(api):
    assert update(api, {"a": 1}, name="absent").status == 404
    assert api.get(f"{V4}/absent/configurations/get").status == 404
