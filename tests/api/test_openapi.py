"""GET /openapi.json: it is what the program would write now, says something of every route, and answers are as it says."""

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.description import document
from kelvin_provision.api.description.routes import DESCRIBED
from kelvin_provision.api.routes.table import ROWS
from tests.kit.openapi import DOCUMENT, valid

V4, APPS, EDGE = "/api/v4/workloads", "/api/v4/apps/workloads", "/edge/v1"


def test_every_route_has_a_description():
    missing = [f"{row.method} {row.path}" for row in ROWS if row.handler not in DESCRIBED]
    assert not missing, "add its handler to kelvin_provision/api/description/routes.py, then run: make docs"
    assert not [handler for handler in DESCRIBED if handler not in {row.handler for row in ROWS}]


def test_the_document_is_not_stale():
    assert document.FILE.read_text("utf-8") == document.text(), "run: make docs"


def test_it_is_sent_without_a_login_and_only_when_it_is_not_known(quiet):
    answer = quiet.ask("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", DOCUMENT)
    assert quiet.ask("GET", "/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status == 304


def test_every_operation_names_its_level_its_codes_and_its_errors():
    for row in ROWS:
        operation = DOCUMENT["paths"][row.path][row.method.lower()]
        assert operation.get("x-level") == (row.level.value if row.level else None)
        assert {int(code) for code in operation["responses"]} >= {*row.ok, *row.errors, 400, 429, 500, 503, 507}
        assert ("401" in operation["responses"]) >= bool(row.level)
        parameters = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert parameters == {part[1:-1] for part in row.path.split("/") if part.startswith("{")}
    identifiers = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(identifiers)) == len(ROWS)


@pytest.mark.parametrize(
    "path",
    ["/metadata", "/workloads/list", f"{V4}/list", f"{V4}/list?pagination_type=limits", f"{V4}/pump/get", f"{V4}/valve/get", f"{V4}/fan/get",
     f"{V4}/pump/configurations/get", f"{APPS}/list", f"{APPS}/pump/get", f"{APPS}/fan/get", f"{EDGE}/agent", f"{EDGE}/history", f"{EDGE}/orders",
     "/auth/realms/kelvin/protocol/openid-connect/userinfo", "/auth/realms/kelvin/.well-known/openid-configuration"],
)  # fmt: skip
def test_an_answer_is_as_the_document_says(quiet, path):
    answer = quiet.get(path)
    assert answer.status == 200
    route = path.partition("?")[0]
    for name in ("pump", "valve", "fan"):
        route = route.replace(f"/{name}/", "/{workload_name}/")
    valid(answer, route.replace("/kelvin/", "/{realm}/"))


def test_errors_orders_and_new_workloads_are_as_the_document_says(api):
    valid(api.get(f"{V4}/nothing/get"), f"{V4}/{{workload_name}}/get")
    valid(api.login("admin"), "/auth/realms/{realm}/protocol/openid-connect/token", "post")
    answer = api.post(f"{EDGE}/workloads/pump/rollback", level=Level.OPERATE)
    assert answer.status in {202, 409}
    valid(answer, f"{EDGE}/workloads/{{workload_name}}/rollback", "post")
    answer = api.post(f"{APPS}/fan/patch", {"runtime": {"configuration": {"a": 1}}})
    assert answer.status == 200
    valid(answer, f"{APPS}/{{workload_name}}/patch", "post")
    valid(api.get(f"{EDGE}/history"), f"{EDGE}/history")
