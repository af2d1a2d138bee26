"""What a published client shows of a refusal, and that it follows pages. No cluster is asked."""

import json

import pytest

from tests.kit.api import PASSWORD, serving
from tests.kit.box import Box
from tests.kit.official_clients import NAMES, Failed, Official, official

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    box = Box(tmp_path_factory.mktemp("many") / "state")
    box.deploy(*[f"w-{number:02d}" for number in range(25)])
    with serving(box) as client:
        yield f"http://127.0.0.1:{client.port}"
    box.close()


@pytest.fixture(params=NAMES)
def version(request):
    return request.param


def refused(client, call, **arguments):
    with pytest.raises(Failed) as caught:
        client.call(call, **arguments)
    return str(caught.value)


def test_a_refusal_is_readable(url, version, tmp_path):
    with official(version, url, tmp_path) as client:
        unknown = refused(client, "get_workload", workload_name="absent")
        assert unknown.startswith("APIError")
        assert "no workload absent on this box" in unknown
        assert "no workload absent on this box" in refused(client, "apply_workload", workload_names=["absent"])
        assert json.dumps('apply_workload(workload_names=["NAME"])')[1:-1] in refused(client, "apply_workload", workload_name="w-00")
        assert "is not ready" in refused(client, "apply_workload", workload_names=["w-00"])
        body = {"app_name": "motor", "app_version": "1.0.0", "name": "motor", "payload": {"spec_version": "5.0.0", "nme": "x"}}
        assert "unknown key 'nme'" in refused(client, "deploy_workload", data=body)
        assert "does not build packages" in refused(client, "download_workload", workload_name="w-00")
        assert "nothing of w-00 was ever applied" in refused(client, "start_workload", workload_name="w-00")


def test_a_level_that_is_too_low_is_named(url, version, tmp_path):
    with official(version, url, tmp_path, "read") as client:
        assert "this needs the level operate; read has read" in refused(client, "stop_workload", workload_name="w-00")


def test_every_page_is_followed_with_its_filters(url, version, tmp_path):
    with official(version, url, tmp_path, "read") as client:
        items = client.call("list_workloads", page_size=7, search=["w-1", "w-2"], direction="desc", staged=True)
    assert [item["name"] for item in items] == [f"w-{number}" for number in range(24, 9, -1)]


def test_a_wrong_password_is_a_login_error_and_many_of_them_are_answered_at_once(url, version, tmp_path):
    user = {"0.0.13": "operate", "0.4.1": "deploy"}[version]  # each waits for its own failures
    client = Official(version, url, tmp_path, user)
    try:
        for _ in range(3):
            assert refused(client, "login", password="Wrong12345") == "LoginError: Incorrect credentials"
        assert f"too many failed logins for {user}; try again in" in refused(client, "login", password=PASSWORD)
    finally:
        client.end()
