"""Packages over the API: 202 while one is made, then the zip from the store, whole or from any byte on; 412 with the reason."""

import base64
import io
import json
import zipfile
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.bundles.inspection import BundlePlace, verified
from kelvin_provision.jobs import table as job_table
from kelvin_provision.settings.model import ApiSettings, TrustSettings
from kelvin_provision.trust.believed import Trust
from kelvin_provision.usecases.api_certificate import authority_pem
from kelvin_provision.usecases.bundles import prepared
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.box import Box
from tests.kit.browser import as_level
from tests.kit.bundle_box import offline
from tests.kit.images import random_image
from tests.kit.official_clients import NAMES, SECURE, Failed, official
from tests.kit.servers.port443 import at_443, own_address
from tests.kit.waiting import until

pytestmark = pytest.mark.slow
ROUTES = ["/api/v4/workloads/pump/download", "/api/v4/apps/workloads/pump/download", "/edge/v1/workloads/pump/package"]
OURS = ROUTES[2]


def filled(path, **settings):
    """A box with pump 1.0.0, running, and 2.0.0, staged."""
    box = Box(path)
    box.settings = replace(box.settings, **settings)
    for version, size in (("1.0.0", 30_000), ("2.0.0", 700_000)):
        box.source.images[f"r.io/pump:{version}"] = random_image([size, 100], level=0)
    return box


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with closing(filled(tmp_path / "state")) as box:
        box.deploy("pump")
        box.turn()
        box.command_apply("pump")
        box.deploy("pump", version="2.0.0")
        box.turn()
        yield box


@pytest.fixture
def api(box):
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, None)) as api:
        yield api


def made(api, route, **more):
    """The answer when it is there."""
    answers = []

    def answered():
        answers.append(api.get(route, Level.DEPLOY, **more))
        assert answers[-1].status in (200, 202, 206, 416), answers[-1].body
        if answers[-1].status == 202:
            assert (answers[-1].body, answers[-1].headers["retry-after"]) == (b"", "2")
        return answers[-1].status != 202

    until(answered, 60)
    return answers[-1]


def test_every_route_gives_the_same_package_and_the_command_line_writes_it(box, api, tmp_path):
    box.ended("workloads", "download", "pump", "-o", str(tmp_path / "pump.zip"))
    for route in ROUTES:
        answer = made(api, route)
        assert answer.body == (tmp_path / "pump.zip").read_bytes()
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.headers["content-disposition"] == 'attachment; filename="pump-2.0.0.zip"'
    place = tmp_path / "answer.zip"
    place.write_bytes(answer.body)
    assert verified(BundlePlace((place,)), Trust(TrustSettings()), lambda event: None).error is None
    assert {api.get(route, Level.DEPLOY).status for route in (f"{OURS}?running=true", OURS)} <= {200, 202}, "both are made, in turn"
    running = made(api, f"{OURS}?running=true")
    with zipfile.ZipFile(io.BytesIO(running.body)) as archive:
        assert json.loads(archive.read("workload.json"))["app_version"] == "1.0.0"
    assert made(api, OURS, headers=[("Accept", "application/zip")]).headers["content-type"] == "application/zip"


def test_a_download_that_broke_goes_on_at_its_byte(api):
    whole = made(api, OURS)
    total, tag = len(whole.body), whole.headers["etag"]
    for text, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=16000-17000", 16_000, 17_001),
        ("bytes=400000-", 400_000, total),
        ("bytes=-5", total - 5, total),
        (f"bytes=10-{total + 10}", 10, total),
    ):
        part = made(api, OURS, headers=[("Range", text), ("If-Range", tag)])
        assert (part.status, part.body) == (206, whole.body[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{total}"
        assert part.headers["content-length"] == str(end - start)
    for text, more in (("bytes=0-1,4-5", []), ("bytes=5-1", []), ("lines=1-2", []), ("bytes=1-2", [("If-Range", '"other"')])):
        assert made(api, OURS, headers=[("Range", text), *more]).body == whole.body
    behind = made(api, OURS, headers=[("Range", f"bytes={total}-")])
    assert (behind.status, behind.headers["content-range"], behind.error["name"]) == (416, f"bytes */{total}", "range-refused")
    head = api.ask("HEAD", OURS, token=api.as_level(Level.DEPLOY))
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(total))


def test_nothing_is_copied_but_what_the_store_does_not_have(box, api):
    total = len(made(api, OURS).body)
    files = list(prepared.folder(box.settings.state_dir).iterdir())
    assert [file.name for file in files] == ["pump-2.package"]
    assert files[0].stat().st_size < total / 10
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_it_is_made_again_when_the_store_has_lost_a_blob(box, api):
    made(api, OURS)
    layer = box.ledger.workload("pump").staged.locks[0].layers[0]
    box.store.path(layer).unlink()
    answers = []

    def refused():
        answers.append(api.get(OURS, Level.DEPLOY))
        return answers[-1].status == 412

    until(refused, 60)
    error = answers[-1].error
    assert (error["name"], "not whole in the store" in error["description"]) == ("package-impossible", True)
    assert "workloads deploy FILE --staged" in error["solution"]


def test_what_is_unknown_or_of_a_lower_level_is_refused(api):
    for route in ROUTES:
        assert api.get(route.replace("pump", "absent"), Level.DEPLOY).status == 404
        assert api.get(route, Level.OPERATE).status == 403
    assert api.get(f"{OURS}?runing=true", Level.DEPLOY).status == 400


def test_the_address_of_a_package_is_this_one(api):
    answer = made(api, f"{ROUTES[0]}?address=true")
    assert answer.json == {"url": f"{api.url}{ROUTES[0]}", "expires_in": 3600}


def test_what_an_earlier_process_has_prepared_is_forgotten(box):
    place = prepared.folder(box.settings.state_dir)
    place.mkdir(mode=0o700)
    (place / "pump-9.package").write_bytes(b"old")
    (place / ".pump-9.package.x").write_bytes(b"unfinished")
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, None)):
        until(lambda: not list(place.iterdir()), 60)


def test_the_page_of_a_workload_has_a_link_for_who_may_deploy(box, api):
    page = as_level(api, Level.DEPLOY).get("/ui/workloads/pump")
    assert b'href="/ui/workloads/pump/package"' in page.body
    assert b"/package" not in as_level(api, Level.OPERATE).get("/ui/workloads/pump").body
    answers = []

    def answered():
        answers.append(as_level(api, Level.DEPLOY).get("/ui/workloads/pump/package"))
        if answers[-1].status == 202:
            assert b'http-equiv="refresh"' in answers[-1].body
        return answers[-1].status == 200

    until(answered, 60)
    assert answers[-1].body == made(api, OURS).body
    assert "content-security-policy" in answers[-1].headers


@pytest.mark.parametrize("version", NAMES)
def test_the_published_clients_download_what_another_box_imports(box, version, tmp_path):
    secure = version in SECURE
    box.settings = replace(box.settings, api=ApiSettings(names=(own_address(),)))
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, None), secure=secure) as api:
        if not secure:
            _download(version, api.url, None, tmp_path)
            return
        trusts = tmp_path / "ca.pem"
        trusts.write_bytes(authority_pem(box.settings))
        with at_443(api.port) as address:
            _download(version, f"https://{address}", trusts, tmp_path)


def _download(version, url, trusts, tmp_path):
    whole = {"_get_response": True} if version in SECURE else {}
    with official(version, url, tmp_path, "admin", trusts) as client:
        answers = []

        def answered():
            answers.append(client.call("download_workload", workload_name="pump", **whole))
            return bool(answers[-1])

        until(answered, 60)
        data = base64.b64decode(answers[-1])
        if version != "0.0.13":
            assert base64.b64decode(client.call("app_workloads.download_workload", workload_name="pump", **whole)) == data
        with pytest.raises(Failed, match="no workload absent"):
            client.call("download_workload", workload_name="absent")
    path = tmp_path / "pump.zip"
    path.write_bytes(data)
    with closing(offline(tmp_path / "other")) as other:
        other.ended("bundle", "import", str(path), "--yes")
        other.turn()
        other.ended("workloads", "apply", "pump")
        assert other.ledger.workload("pump").running.spec.app_version == "2.0.0"
