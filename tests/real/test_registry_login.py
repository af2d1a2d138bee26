"""Logins against real registries: who gets them, who does not, and that no error or event ever holds one."""

import base64
import json
import stat
import threading
from pathlib import Path

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import LoginUnreadable, RegistryBusy, RegistryDenied, RegistryRefused
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry import auth
from kelvin_provision.registry.challenge import Challenge
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.transport import Transport, _parse_token
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import RegistrySettings, Settings
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.images import make_image, push, random_image, tar_of
from tests.kit.refusals import BASIC, IDENTITY, PASSWORD, SECRETS, USER, refused
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.registry import docker_registry
from tests.kit.servers.tokens import Tokens, form

pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuZ4UrVbZVm3LrvjmBDRqk5tFTIz523W2\n"  # bcrypt of PASSWORD
SOON = Backoff(first=0.001, cap=0.01, deadline=0.1)


def log_in(host, *, path=None, **entry):
    """What `docker login` leaves behind."""
    path = path or Path.home() / ".docker" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {host: entry or {"auth": BASIC}}}))
    return path


@pytest.fixture
def client(tmp_path):
    made = []

    def make(**registries):
        made.append(Registry(Settings(tmp_path, registries={host: RegistrySettings(**value) for host, value in registries.items()})))
        return made[-1]

    yield make
    for one in made:
        one.close()


# --- basic ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked_registry(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(HTPASSWD)
    extra = {"auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}}
    with docker_registry(folder / "registry", extra=extra) as host:
        push(host, "web", "1", make_image([tar_of({"a": b"locked"})]), {"Authorization": f"Basic {BASIC}"})
        yield host


def web(host):
    return Reference.parse(f"{host}/web:1")


def test_dockers_own_login_opens_the_registry(locked_registry, client):
    log_in(locked_registry)
    source = client()
    lock = source.resolve(web(locked_registry), AMD64).lock
    with source.blob(web(locked_registry), lock.layers[0], 0) as stream:
        assert len(b"".join(stream.chunks)) == lock.layers[0].size


def test_without_a_login_the_hint_is_the_command_that_makes_one(locked_registry, client):
    with refused(RegistryDenied, f"^the registry {locked_registry} requires a login, and no credentials are stored$") as caught:
        client().resolve(web(locked_registry), AMD64)
    assert shell_line(caught.value.hint) == f"docker login {locked_registry}"


def test_a_greeting_needs_the_login_as_a_download_does(locked_registry, client):
    with refused(RegistryDenied, "requires a login, and no credentials are stored"):
        client().greet(locked_registry)
    log_in(locked_registry)
    client().greet(locked_registry)


def test_a_wrong_password_is_denied(locked_registry, client):
    log_in(locked_registry, auth=base64.b64encode(f"{USER}:wrong".encode()).decode())
    with refused(RegistryDenied, r"denies access to web:1 \(401\)"):
        client().resolve(web(locked_registry), AMD64)


def test_an_identity_token_is_no_password(locked_registry, client):
    log_in(locked_registry, identitytoken=IDENTITY)
    with refused(RegistryDenied, r"the stored credentials for the registry .* do not fit: it requires basic authentication"):
        client().resolve(web(locked_registry), AMD64)


def test_the_login_file_of_the_settings_goes_before_dockers(locked_registry, client, tmp_path):
    log_in(locked_registry, auth=base64.b64encode(f"{USER}:wrong".encode()).decode())
    path = log_in(locked_registry, path=tmp_path / "login.json")
    assert client(**{locked_registry: {"auth_file": path}}).resolve(web(locked_registry), AMD64).lock.layers


def helper(folder, monkeypatch, script):
    path = folder / "docker-credential-x"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("config", [{"credsStore": "x"}, {"credHelpers": {"HOST": "x"}}])
def test_a_credential_helper_is_asked(locked_registry, client, tmp_path, monkeypatch, config):
    helper(tmp_path, monkeypatch, f"cat > {tmp_path}/asked; echo '" + json.dumps({"Username": USER, "Secret": PASSWORD}) + "'")
    path = tmp_path / "login.json"
    path.write_text(json.dumps(config).replace("HOST", locked_registry))
    assert client(**{locked_registry: {"auth_file": path}}).resolve(web(locked_registry), AMD64).lock.layers
    assert (tmp_path / "asked").read_text() == locked_registry


@pytest.mark.parametrize("script", ["echo not-json", f'echo \'{{"Secret": "{PASSWORD}"}}\'', f"echo {PASSWORD}; exit 3", None])
def test_a_credential_helper_that_does_not_work_is_said_without_its_words(locked_registry, client, tmp_path, monkeypatch, script):
    if script:
        helper(tmp_path, monkeypatch, script)
    path = tmp_path / "login.json"
    path.write_text(json.dumps({"credsStore": "x"}))
    with refused(LoginUnreadable, f"the credentials in {path} cannot be read, or their credential helper does not work"):
        client(**{locked_registry: {"auth_file": path}}).resolve(web(locked_registry), AMD64)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (f"{{{PASSWORD}", "is not valid JSON"),
        ("[1]", "cannot be read"),
        ('{"auths": []}', "requires a login, and no credentials are stored"),
        ('{"auths": [5]}', "cannot be read"),
        ('{"auths": {"HOST": 5}}', "cannot be read"),
        ('{"auths": {"HOST": {"auth": null}}}', "cannot be read"),
        ('{"auths": {"HOST": {"auth": "aHVudGVyMi1wYXNzd29yZA=="}}}', "cannot be read"),
        ('{"auths": {"HOST": {}}}', "requires a login, and no credentials are stored"),
        ("{}", "requires a login, and no credentials are stored"),
    ],
)
def test_a_login_file_that_is_broken_or_empty_is_said_so(locked_registry, client, tmp_path, content, words):
    path = tmp_path / "login.json"
    if content:
        path.write_text(content.replace("HOST", locked_registry))
    with refused(RegistryDenied if "requires a login" in words else LoginUnreadable, words):
        client(**{locked_registry: {"auth_file": path}}).resolve(web(locked_registry), AMD64)


def test_a_login_never_shows_in_its_repr_and_goes_into_a_pull_secret_for_its_registry_alone(tmp_path):
    log_in("r.example")
    settings = Settings(tmp_path)
    assert repr(auth.stored_credentials(settings, "r.example")) == f"Credentials(username={USER!r})"
    assert auth.stored_credentials(settings, "other.example") is None
    assert json.loads(auth.dockerconfigjson(settings, "r.example")) == {"auths": {"r.example": {"auth": BASIC}}}
    assert auth.hosts_with_credentials(settings) == {"r.example"}


def test_an_identity_token_goes_into_a_pull_secret_as_one(tmp_path):
    log_in("r.example", identitytoken=IDENTITY)
    assert json.loads(auth.dockerconfigjson(Settings(tmp_path), "r.example"))["auths"]["r.example"]["identitytoken"] == IDENTITY
    assert auth.dockerconfigjson(Settings(tmp_path), "other.example") is None


def test_a_login_file_that_is_a_folder_and_a_home_that_is_none_are_no_accidents(tmp_path, monkeypatch):
    chosen = {"r.example": RegistrySettings(auth_file=tmp_path)}
    with refused(LoginUnreadable, f"auth file {tmp_path} cannot be read"):
        auth.stored_credentials(Settings(tmp_path, registries=chosen), "r.example")
    monkeypatch.setenv("DOCKER_CONFIG", "x" * 5000)
    assert auth.stored_credentials(Settings(tmp_path), "r.example") is None


def test_docker_hubs_login_stands_under_its_old_name(tmp_path):
    log_in("https://index.docker.io/v1/")
    assert auth.stored_credentials(Settings(tmp_path), "docker.io").username == USER
    assert auth.hosts_with_credentials(Settings(tmp_path)) == {"docker.io"}


# --- tokens -----------------------------------------------------------------------------------------


@pytest.fixture
def tokens():
    with Tokens("first-token") as service:
        yield service


@pytest.fixture
def guarded(registry, tokens):
    """A registry that wants `first-token`."""
    push(registry, "web", "1", make_image([tar_of({"a": b"guarded"})]))
    with Proxy(registry, Faults(path="", bearer="first-token", realm=tokens.realm)) as proxy:
        yield proxy


def change(proxy, tokens, **more):
    """The old token has expired."""
    tokens.token = "second-token"
    proxy.faults = Faults(path="", bearer="second-token", realm=tokens.realm, **more)


def test_a_token_is_asked_for_once_and_without_a_login_when_there_is_none(guarded, tokens, client):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    with source.blob(web(guarded.host), lock.layers[0], 0) as stream:
        assert sum(map(len, stream.chunks)) == lock.layers[0].size
    assert [(one.method, form(one)) for one in tokens.asked] == [("GET", {"service": "tests", "scope": "repository:x:pull"})]
    assert "Authorization" not in tokens.asked[0].headers


def test_the_registrys_login_goes_to_its_token_service_and_the_token_to_the_registry(guarded, tokens, client):
    log_in(guarded.host)
    client().resolve(web(guarded.host), AMD64)
    assert tokens.asked[0].headers["Authorization"] == f"Basic {BASIC}"
    assert {one.headers.get("Authorization") for one in guarded.asked} == {None, "Bearer first-token"}


def test_an_identity_token_is_exchanged_by_post(guarded, tokens, client):
    log_in(guarded.host, identitytoken=IDENTITY)
    client().resolve(web(guarded.host), AMD64)
    (asked,) = tokens.asked
    assert asked.method == "POST"
    assert form(asked) == {
        "grant_type": "refresh_token",
        "client_id": "kelvin-provision",
        "refresh_token": IDENTITY,
        "service": "tests",
        "scope": "repository:x:pull",
    }


@pytest.mark.parametrize(("status", "challenge"), [(401, True), (400, True), (400, False)])
def test_a_token_that_expires_in_mid_work_is_renewed(guarded, tokens, client, status, challenge):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    change(guarded, tokens, expired=status, challenge=challenge)
    with source.blob(web(guarded.host), lock.layers[0], 0) as stream:
        assert sum(map(len, stream.chunks)) == lock.layers[0].size
    assert len(tokens.asked) == 2


def test_transfers_that_find_their_token_expired_together_ask_for_one(guarded, tokens, client):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    change(guarded, tokens)
    barrier, sizes = threading.Barrier(6), []

    def transfer():
        barrier.wait()
        with source.blob(web(guarded.host), lock.layers[0], 0) as stream:
            sizes.append(sum(map(len, stream.chunks)))

    threads = [threading.Thread(target=transfer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [lock.layers[0].size] * 6
    assert len(tokens.asked) == 2


@pytest.mark.parametrize(
    ("status", "token", "kind", "words"),
    [
        (401, "x", RegistryDenied, "the token service 127.0.0.1 of the registry .* rejects the stored credentials"),
        (400, "x", RegistryDenied, "the token service 127.0.0.1 of the registry .* rejects the stored credentials"),
        (404, "x", RegistryRefused, "the token service 127.0.0.1 of the registry .* returned status 404"),
        (500, "x", RegistryBusy, "the token service 127.0.0.1 of the registry .* returned status 500"),
        (200, "", RegistryRefused, "returned no token"),
        (200, "first-token\r\nX-Evil: 1", RegistryRefused, "returned no token"),
        (200, ["first-token"], RegistryRefused, "returned no token"),
        (200, "wrong", RegistryDenied, r"denies access to web:1 \(401\)"),
    ],
)
def test_a_token_service_that_gives_no_token_is_named(guarded, tokens, client, status, token, kind, words):
    log_in(guarded.host)
    tokens.status, tokens.token = status, token
    with refused(kind, words):
        client().resolve(web(guarded.host), AMD64)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"[" * 100_000, b"{}"])
def test_a_token_service_that_speaks_no_json_gives_no_token(body):
    with refused(RegistryRefused, "^tokens returned no token$"):
        _parse_token(body, "tokens")


@pytest.mark.parametrize("realm", ["http://tokens.example/t", "tokens", "ftp://tokens.example", "http://[half", "", "//tokens.example/t"])
def test_a_login_is_never_sent_to_a_token_service_without_encryption(tmp_path, realm):
    log_in("r.example")
    transport = Transport("r.example", Settings(tmp_path))
    with refused(RegistryDenied if not realm else RegistryRefused):
        transport._authorize((Challenge("bearer", {"realm": realm}),), "repository:x:pull")
    transport.close()


# --- redirects --------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(registry):
    """Where blobs really are: another origin with the same content."""
    with Proxy(registry) as proxy:
        yield proxy


def test_a_redirect_to_another_origin_gets_no_login(guarded, tokens, elsewhere, client, tmp_path):
    log_in(guarded.host)
    source, store, said = client(), Store(tmp_path), []
    with download.resolved(source, store, [web(guarded.host)], AMD64) as locks:
        guarded.faults = Faults(path="/blobs/", bearer="first-token", realm=tokens.realm, redirect=elsewhere.url)
        download.fetch(Transfer(source, store, said.append, lambda: False, SOON, TransferLimits(parallel=2)), locks)
    assert [one.path.split("/")[3] for one in elsewhere.asked] == ["blobs"]
    assert all("Authorization" not in one.headers for one in elsewhere.asked)
    assert [secret for secret in SECRETS if secret in repr(said)] == []
    assert store.has(locks[0].layers[0])


def test_where_a_redirect_leads_to_has_no_say_in_who_gets_the_login(guarded, tokens, elsewhere, client):
    log_in(guarded.host)
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    with Tokens("stolen") as thief:
        elsewhere.faults = Faults(bearer="stolen", realm=thief.realm)
        guarded.faults = Faults(bearer="first-token", realm=tokens.realm, redirect=elsewhere.url)
        with (
            refused(RegistryDenied, "^the host that the registry .* redirects to denies access to blob sha256:.* of web"),
            source.blob(web(guarded.host), lock.layers[0], 0),
        ):
            pass
        assert thief.asked == []
    assert len(tokens.asked) == 1


def test_a_busy_place_behind_a_redirect_is_no_word_of_the_registry(guarded, tokens, elsewhere, client):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    guarded.faults = Faults(bearer="first-token", realm=tokens.realm, redirect=elsewhere.url)
    elsewhere.faults = Faults(status=503, statuses=1, answer={"Retry-After": "60"})
    with refused(RegistryBusy, "returned status 503"), source.blob(web(guarded.host), lock.layers[0], 0):
        pass
    with source.blob(web(guarded.host), lock.layers[0], 0) as stream:
        assert sum(map(len, stream.chunks)) == lock.layers[0].size


def test_redirects_that_never_end_are_ended(guarded, tokens, client):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    guarded.faults = Faults(bearer="first-token", realm=tokens.realm, redirect=guarded.url)
    with refused(RegistryRefused, "more than 5 redirects"), source.blob(web(guarded.host), lock.layers[0], 0):
        pass
    assert [one.headers["Authorization"] for one in guarded.asked[-6:]] == ["Bearer first-token"] * 6


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ftp://x", "redirects to an unsupported scheme: ftp"),
        ("http://[half", "redirects to an invalid URL"),
        ("http://user:query-secret@:x", "redirects to an invalid URL"),
    ],
)
def test_a_redirect_to_nowhere_is_refused_without_repeating_it(guarded, tokens, client, place, words):
    source = client()
    lock = source.resolve(web(guarded.host), AMD64).lock
    guarded.faults = Faults(bearer="first-token", realm=tokens.realm, redirect=place)
    with refused(RegistryRefused, words), source.blob(web(guarded.host), lock.layers[0], 0):
        pass


def test_two_registries_do_not_share_a_login(guarded, tokens, registry, client):
    """The same host with another port is another registry."""
    log_in(guarded.host)
    with Proxy(registry, Faults(path="", bearer="first-token", realm=tokens.realm)) as other:
        client().resolve(web(other.host), AMD64)
    assert "Authorization" not in tokens.asked[0].headers


def test_big_bodies_of_unwanted_answers_are_not_read(registry, tokens, client):
    """A challenge with a body of 20 MiB costs a new connection and no memory."""
    image = random_image([20 << 20], level=0)
    push(registry, "big", "1", image)
    source = client()
    name = Reference.parse(f"{registry}/big:1")
    lock = source.resolve(name, AMD64).lock
    with Proxy(registry) as proxy:
        transport = Transport(proxy.host, Settings(Path.home()))
        response = transport._request("GET", f"{proxy.url}/v2/big/blobs/{lock.layers[0].digest}", "x", {}, same_origin=True)
        response.discard()
        transport.close()
    assert proxy.sent < 10 << 20
