"""Pages of the box, and of its users and tokens: what each level sees, and that nothing is lost by a slip."""

import io
import re
import tarfile
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.bundles.inventories.reading import decode
from kelvin_provision.jobs import table as job_table
from kelvin_provision.ledger import history
from kelvin_provision.settings.model import ApiSettings
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.api import PASSWORD, serving
from tests.kit.browser import Browser, as_level, plain

pytestmark = pytest.mark.usefixtures("hurried")
EVIL = "<b>x</b>"


@pytest.fixture
def admin(api):
    return as_level(api, Level.ADMIN)


@pytest.fixture
def asked(box, monkeypatch, tmp_path):
    """The API, and an agent beside it that answers and has jobs done; for their processes Docker is the cluster, and does not answer."""
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "none.yaml"))
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, None)) as api:
        yield api


def lines(box, action):
    return [(line.who, line.detail) for line in history.history(box.ledger) if line.action == action]


# --- the box --------------------------------------------------------------------------------------


def test_the_box_without_an_agent_shows_what_it_knows(quiet):
    text = as_level(quiet, Level.READ).get("/ui/box").body.decode()
    page = plain(text)
    assert "Not running. It is started when there is work; at the box: kelvin-provision agent start" in page
    assert re.search(r"State: [\d.]+ \w+ of [\d.]+ \w+ free", page)
    assert "None: this box answers other machines only with one." in page
    assert "support-bundle" not in text, "for administrators"
    for where in ("/ui/box/doctor", "/ui/box/images"):
        assert as_level(quiet, Level.READ).get(where).status == 503


def test_with_tls_the_box_shows_its_certificate_and_how_long_it_is_valid(box):
    with serving(box, secure=True) as api:
        page = plain(as_level(api, Level.READ).get("/ui/box").body.decode())
        chain = api.credentials.certificate.chain
        assert chain.leaf.fingerprint in page
        assert re.search(r"; \d+ days are left\.", page)
        assert api.credentials.certificate.authority.leaf.fingerprint in page


def test_images_and_disk_are_asked_of_the_agent(box, asked):
    browser = as_level(asked, Level.READ)
    page = plain(browser.get("/ui/box").body.decode())
    assert ("Alive" in page, "idle" in page) == (True, False)
    assert re.search(r"Images take [\d.]+ KiB; 0 B of it are needed by no version that is kept\.", page)
    page = plain(browser.get("/ui/box/images").body.decode())
    assert re.search(r"r.io/pump:2.0.0 [\d.]+ KiB on this box", page)
    assert "pump 2.0.0" in page
    file = browser.get("/ui/box/inventory")
    assert 'href="/ui/box/inventory"' in browser.get("/ui/box/images").body.decode()
    assert file.headers["content-disposition"].endswith('.inventory.json"')
    assert decode(file.body).layers


@pytest.mark.slow
def test_doctor_the_chain_and_the_file_for_support_are_jobs_of_the_agent(box, asked):
    browser = as_level(asked, Level.ADMIN)
    text = browser.get("/ui/box/doctor").body.decode()
    assert re.search(r"\d+ errors, \d+ warnings", plain(text))
    assert text.index('class="sign bad"') < text.index('class="sign ok"')
    assert "No line was changed or is missing" in browser.get("/ui/history?verify=1").body.decode()
    answer = browser.post("/ui/box/support-bundle")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/gzip")
    assert re.fullmatch(r'attachment; filename="[-\w.]+\.tar\.gz"', answer.headers["content-disposition"])
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as bundle:
        assert bundle.getnames()
    with box.ledger.writing() as db:
        db.execute("UPDATE history SET who = 'mallory' WHERE seq = 1")
    text = browser.get("/ui/history?verify=1").body.decode()
    assert ("No line was changed" in text, 'class="banner bad"' in text) == (False, True)


# --- users ----------------------------------------------------------------------------------------


def test_an_administrator_adds_a_user_changes_the_level_and_the_password_and_removes_it(box, api, admin):
    form = {"name": "bert", "password": "Another123", "level": "read"}
    assert [admin.post("/ui/users", form).headers.get("location") for _ in range(2)] == ["/ui/users"] * 2, "a second tap is the same"
    assert "/ui/users/bert" in admin.get("/ui/users").body.decode()
    bert = Browser(api)
    assert bert.login("bert", password="Another123").status == 303
    assert bert.get("/ui/users").status == 403
    assert admin.post("/ui/users/bert/level", {"level": "admin"}).headers["location"] == "/ui/users/bert"
    assert bert.get("/ui/users").status == 200
    assert admin.post("/ui/users/bert/password", {"password": "Changed123"}).status == 303
    assert bert.get("/ui/users").status == 303
    assert bert.login("bert", password="Changed123").status == 303
    for typed in ("", "ber", "admin", EVIL):
        answer = admin.post("/ui/users/bert/remove", {"name": typed})
        assert (answer.status, EVIL in answer.body.decode()) == (400, False)
    answer = admin.post("/ui/users/bert/remove", {"name": " bert "})
    assert (answer.status, "User bert is removed" in answer.body.decode()) == (200, True)
    assert bert.get("/ui/").status == 303
    assert admin.get("/ui/users/bert").status == 404
    assert lines(box, "api user level") == [("admin@127.0.0.1 via ui", "bert, admin")]
    assert not any("nother123" in str(line) or "hanged123" in str(line) for line in history.history(box.ledger))


@pytest.mark.parametrize(
    "form",
    [
        {"name": "b", "password": "Another123", "level": "read"},
        {"name": "bert", "password": "weak", "level": "read"},
        {"name": "admin", "password": "Another123", "level": "read"},
        {"name": "bert", "password": "Another123", "level": "root"},
        {"name": EVIL, "password": "Another123", "level": "read"},
        {"name": "bert", "password": "Another123"},
    ],
)
def test_a_user_that_cannot_be_is_refused_without_its_password(quiet, form):
    answer = as_level(quiet, Level.ADMIN).post("/ui/users", form)
    assert (answer.status, form["password"] in answer.body.decode() and form["password"] != "weak", EVIL in answer.body.decode()) == (
        400,
        False,
        False,
    )


def test_who_removes_a_user_sees_which_tokens_go_on_and_a_lock_is_lifted(box):
    box.settings = replace(box.settings, api=ApiSettings(lockout=(3, 60.0)))
    with serving(box) as api:
        admin = as_level(api, Level.ADMIN)
        assert admin.post("/ui/users/read/unlock").headers["location"] == "/ui/users/read"
        admin.post("/ui/users", {"name": "bert", "password": "Another123", "level": "admin"})
        bert = Browser(api)
        bert.login("bert", password="Another123")
        assert bert.post("/ui/tokens", {"name": "line-3", "level": "read", "days": "1"}).status == 201
        text = admin.post("/ui/users/bert/remove", {"name": "bert"}).body.decode()
        assert "line-3" in plain(text).partition("go on until they are revoked")[2]


def test_everybody_changes_the_own_password_with_the_present_one(box, api):
    browser, other = as_level(api, Level.READ), as_level(api, Level.READ)
    assert "read: look at everything" in browser.get("/ui/account").body.decode()
    answer = browser.post("/ui/account", {"password": "wrong", "new_password": "Another123"})
    assert (answer.status, "user or password is wrong" in answer.body.decode()) == (401, True)
    assert browser.post("/ui/account", {"password": PASSWORD, "new_password": "weak"}).status == 400
    answer = browser.post("/ui/account", {"password": PASSWORD, "new_password": "Another123"})
    assert (answer.status, "The password is changed." in answer.body.decode()) == (200, True)
    assert (browser.get("/ui/").status, other.get("/ui/").status) == (200, 303)
    assert Browser(api).login("read").status == 401
    assert lines(box, "api user passwd") == [("read@127.0.0.1 via ui", "read")]


def test_the_api_has_the_own_password_too(box, api):
    token = api.as_level(Level.READ)
    assert api.post("/edge/v1/password", {"password": "wrong", "new_password": "Another123"}, Level.READ).status == 401
    assert api.post("/edge/v1/password", {"password": PASSWORD, "new_password": "weak"}, Level.READ).status == 400
    assert api.post("/edge/v1/password", {"password": PASSWORD, "new_password": "Another123"}, Level.READ).status == 204
    assert api.ask("GET", "/api/v4/workloads/list", token=token).status == 401
    assert api.login("read", "Another123").status == 200


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_shown_once_counts_and_is_revoked_by_its_name(box, api, admin):
    form = {"name": "line-3", "level": "read", "days": "90"}
    answers = [admin.post("/ui/tokens", form) for _ in range(2)]
    tokens = {re.findall(r'<pre tabindex="0">([^<]*)</pre>', answer.body.decode())[0] for answer in answers}
    (token,) = tokens
    assert [answer.status for answer in answers] == [201, 201]
    assert api.ask("GET", "/api/v4/workloads/list", token=token).status == 200
    text = admin.get("/ui/tokens").body.decode()
    assert (token in text, "made" in plain(text), "by admin@127.0.0.1 via ui" in plain(text)) == (False, True, True)
    answer = admin.post("/ui/tokens/line-3/revoke", {"name": "line-4"})
    assert (answer.status, "That is not the name. Nothing was revoked." in answer.body.decode()) == (400, True)
    assert admin.post("/ui/tokens/line-3/revoke", {"name": "line-3"}).status == 303
    assert api.ask("GET", "/api/v4/workloads/list", token=token).status == 401
    assert lines(box, "api token revoke") == [("admin@127.0.0.1 via ui", "line-3")]


@pytest.mark.parametrize("days", ["0", "367", "-1", "1.5", "x", ""])
def test_a_token_for_no_time_is_refused(quiet, days):
    assert as_level(quiet, Level.ADMIN).post("/ui/tokens", {"name": "line-9", "level": "read", "days": days}).status == 400


def test_only_administrators_see_users_and_tokens(quiet):
    for level in Level:
        text = as_level(quiet, level).get("/ui/").body.decode()
        assert ("/ui/users" in text) == (level is Level.ADMIN)
