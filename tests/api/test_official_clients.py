"""What a published client shows of a refusal, and that it follows pages. No cluster is asked."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.usecases.api_certificate import authority_pem
from tests.kit.api import PASSWORD, serving
from tests.kit.box import Box
from tests.kit.official_clients import NAMES, SECURE, Failed, Official, official
from tests.kit.servers.port443 import at_443, own_address

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    box = Box(tmp_path_factory.mktemp("many") / "state")
    box.deploy(*[f"w-{number:02d}" for number in range(25)])
    box.settings = replace(box.settings, api=ApiSettings(names=(own_address(),)))
    yield box
    box.close()


@pytest.fixture(scope="module")
def plain(filled):
    with serving(filled) as client:
        yield client.url, None


@pytest.fixture(scope="module")
def secure(filled):
    with serving(filled, secure=True) as client, at_443(client.port) as address:
        trusts = filled.settings.state_dir / "ca.pem"
        trusts.write_bytes(authority_pem(filled.settings))
        yield f"https://{address}", trusts


@pytest.fixture(params=NAMES)
def version(request):
    return request.param


@pytest.fixture
def place(request, version):
    """The API's address, and the file with its authority."""
    return request.getfixturevalue("secure" if version in SECURE else "plain")


@pytest.fixture
def as_user(version, place, tmp_path):
    """A client of that version that has logged in as this user."""
    url, trusts = place
    return lambda user="admin": official(version, url, tmp_path, user, trusts)


def refused(client, call, **arguments):
    with pytest.raises(Failed) as caught:
        client.call(call, **arguments)
    return str(caught.value)


def test_a_refusal_is_readable(as_user):
    with as_user() as client:
        unknown = refused(client, "get_workload", workload_name="absent")
        assert unknown.startswith("APIError")
        assert "no workload absent on this box" in unknown
        assert "no workload absent on this box" in refused(client, "apply_workload", workload_names=["absent"])
        assert json.dumps('apply_workload(workload_names=["NAME"])')[1:-1] in refused(client, "apply_workload", workload_name="w-00")
        assert "is not ready" in refused(client, "apply_workload", workload_names=["w-00"])
        body = {"app_name": "motor", "app_version": "1.0.0", "name": "motor", "payload": {"spec_version": "5.0.0", "nme": "x"}}
        assert "unknown key 'nme'" in refused(client, "deploy_workload", data=body)
        assert "are not in the store yet" in refused(client, "download_workload", workload_name="w-00")
        assert "nothing of w-00 was ever applied" in refused(client, "start_workload", workload_name="w-00")


def test_a_level_that_is_too_low_is_named(as_user):
    with as_user("read") as client:
        assert "this needs the level operate; read has read" in refused(client, "stop_workload", workload_name="w-00")


def test_every_page_is_followed_with_its_filters(as_user):
    with as_user("read") as client:
        items = client.call("list_workloads", page_size=7, search=["w-1", "w-2"], direction="desc", staged=True)
    assert [item["name"] for item in items] == [f"w-{number}" for number in range(24, 9, -1)]


def test_a_wrong_password_is_a_login_error_and_many_of_them_are_answered_at_once(version, place, tmp_path):
    user = {"0.0.13": "operate", "0.4.1": "deploy", "1.2.0": "read"}[version]  # each waits for its own failures
    url, trusts = place
    client = Official(version, url, tmp_path, user, trusts)
    try:
        for _ in range(3):
            assert refused(client, "login", password="Wrong12345") == "LoginError: Incorrect credentials"
        assert f"too many failed logins for {user}; try again in" in refused(client, "login", password=PASSWORD)
    finally:
        client.end()


def test_who_does_not_trust_the_authority_is_not_served(secure, tmp_path):
    url, _ = secure
    client = Official("1.2.0", url, tmp_path)
    try:
        assert "CERTIFICATE_VERIFY_FAILED" in refused(client, "login", password=PASSWORD)
    finally:
        client.end()


@pytest.mark.parametrize("version", ["0.4.1", "1.2.0"])
def test_the_newer_routes_of_the_clients_that_have_them(as_user, version):
    """Both have both generations."""
    own = {"0.4.1": "w-23", "1.2.0": "w-22"}[version]
    with as_user() as client:
        listed = client.call("app_workloads.list_workloads", page_size=7, search=["w-1"], app_types=["docker"], statuses=["staged"])
        assert [item["name"] for item in listed] == [f"w-1{number}" for number in range(10)]
        shown = client.call("app_workloads.get_workload", workload_name="w-00")
        assert (shown["app_type"], shown["staged"]["deployment_type"]) == ("docker", "staged-only")
        system = {
            "environment_vars": [{"name": "A", "value": "1"}],
            "ports": [{"name": "http", "type": "service", "service": {"port": 80}}],
        }
        fields = {"name": "made", "app_name": "made", "app_version": "1.0.0", "cluster_name": "c", "deployment_type": "staged-only"}
        data = fields | {"system": system, "runtime": {"configuration": {"speed": 3}}}
        refusal = refused(client, "app_workloads.create_workload", data=data)
        assert "no image; set image.uri, or the setting registry" in refusal, "this box has no registry"
        assert client.call("app_workloads.update_workload", workload_name="w-24", data={"title": "New"})["title"] == "New"
        assert client.call("app_workloads.delete_workloads", staged=True, data={"workload_names": [own]}) is None
        assert "is not ready" in refused(client, "app_workloads.apply_workloads", data={"workload_names": ["w-00"]})
        if version == "1.2.0":
            assert client.call("app_workloads.enable_workloads", data={"workload_names": ["w-00"]}) is None
        assert (
            client.call("app_workloads.update_workloads_bulk", data={"workload_names": ["w-01", "w-02"], "deployment_type": "staged-only"})
            is None
        )
        client.call("app_workloads.delete_workloads", staged=True, data={"workload_names": ["absent", "w-21"]})  # 207
        assert client.call("app_workloads.remove_workload_resources", workload_name="w-00", data={"resources": ["krn:asset:x"]}) is None
        data = {"resource": "krn:asset:x"}
        assert "a box has no assets" in refused(client, "app_workloads.add_workload_resources", workload_name="w-00", data=data)
