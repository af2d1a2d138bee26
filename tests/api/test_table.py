"""The table of routes: every row is what it says, for every level, and nothing can be reached beside it."""

import importlib
import inspect
import pkgutil
import re

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api import routes
from kelvin_provision.api.routes import platform
from kelvin_provision.api.routes.table import ROWS
from kelvin_provision.api.services import Call
from kelvin_provision.cli.frame.command_table import commands
from tests import api_commands

ANY = [pytest.param(row, id=f"{row.method} {row.path}") for row in ROWS]
GUARDED = [pytest.param(row, id=f"{row.method} {row.path}") for row in ROWS if row.level]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """There is no agent here, and none is waited for."""
    monkeypatch.setattr("kelvin_provision.api.work.asking.PATIENCE", 0.0)


def path(row):
    return (
        row.path.replace("{realm}", "kelvin")
        .replace("{workload_name}", "absent")
        .replace("{order}", "7")
        .replace("{word}", "absent")
        .replace("{bundle}", f"sha256:{'0' * 64}")
    )


def test_every_handler_is_in_the_table_and_every_route_once():
    modules = [importlib.import_module(module.name) for module in pkgutil.walk_packages(routes.__path__, f"{routes.__name__}.")]
    handlers = {
        function
        for module in modules
        for _, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__
        and list(inspect.signature(function).parameters) == ["call"]
        and not function.__name__.startswith("_")
    }
    assert inspect.signature(platform.healthz).parameters["call"].annotation == Call.__name__
    assert {row.handler for row in ROWS} == handlers
    assert len({(row.method, row.path) for row in ROWS}) == len(ROWS)
    assert [row for row in ROWS if not row.summary] == []
    assert [
        row
        for row in ROWS
        if row.level is None and not re.match(r"/healthz|/metadata|/openapi.json|/metrics|/ca.pem|/auth/|/workloads/list", row.path)
    ] == []


@pytest.mark.parametrize("row", GUARDED)
def test_without_a_token_a_row_with_a_level_is_401(quiet, row):
    answer = quiet.ask(row.method, path(row))
    assert (answer.status, answer.error["name"], answer.headers["www-authenticate"]) == (401, "login-required", "Bearer")


@pytest.mark.parametrize("row", GUARDED)
def test_below_its_level_a_row_is_403_and_names_the_level(quiet, row):
    for level in Level:
        answer = quiet.ask("HEAD" if row.endless else row.method, path(row), token=quiet.as_level(level))
        if level.allows(row.level):
            assert answer.status not in {401, 403, 405} or row.may, level
        else:
            assert answer.status == 403
            if row.endless:
                continue
            assert answer.error["name"] == "level-needed"
            assert f"needs the level {row.level}" in answer.error["description"]


@pytest.mark.parametrize("row", ANY)
def test_other_methods_are_405_with_those_that_are_allowed(quiet, row):
    allowed = {other.method for other in ROWS if other.path == row.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - allowed:
        answer = quiet.ask(method, path(row))
        assert (answer.status, answer.error["name"]) == (405, "method-refused"), method
        changes = any(other.changes for other in ROWS if other.path == row.path)
        head = {"HEAD"} if "GET" in allowed and not changes else set()
        assert set(answer.headers["allow"].split(", ")) == allowed | head


def test_undeploy_of_all_needs_admin(quiet):
    target = "/api/v4/workloads/absent/undeploy"
    assert quiet.post(target, level=Level.OPERATE).error["description"] == "this needs the level admin; operate has operate"
    assert quiet.post(f"{target}?staged=true", level=Level.OPERATE).status == 404
    assert quiet.post(target, level=Level.ADMIN).status == 404


def test_every_get_that_an_operator_needs_changes_something_and_has_no_head(quiet):
    changing = [row for row in ROWS if row.method == "GET" and row.changes]
    assert [row for row in ROWS if row.method == "GET" and row.level is Level.OPERATE] == changing
    for row in changing:
        assert quiet.ask("HEAD", path(row), token=quiet.as_level(Level.ADMIN)).status == 405


def test_every_command_of_the_terminal_has_a_route_or_a_reason():
    """A new command: a row in tests/api_commands.py."""
    rows = {f"{row.method} {row.path}" for row in ROWS}
    assert sorted([*api_commands.ROUTES, *api_commands.NONE]) == sorted(" ".join(path) for path, _ in commands())
    assert [route for routes in api_commands.ROUTES.values() for route in routes if route not in rows] == []
    assert [name for name, reason in api_commands.NONE.items() if not reason] == []


def test_head_is_get_without_its_body(quiet):
    answer = quiet.ask("HEAD", "/metadata")
    assert (answer.status, answer.body, int(answer.headers["content-length"]) > 100) == (200, b"", True)
