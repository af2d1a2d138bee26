"""What `doctor` says of the API: its addresses, its users, its certificate, and ports that Kubernetes takes."""

import socket
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kelvin_provision.access.users import Users
from kelvin_provision.checks import api
from kelvin_provision.checks.api import Answer, ApiState
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.settings.model import ApiSettings, Settings
from kelvin_provision.tls.files import Chain
from kelvin_provision.tls.x509 import Certificate
from kelvin_provision.usecases.api_certificate import ApiCertificate
from tests.kit.api import Client, cheap_users, serving
from tests.kit.box import Box
from tests.kit.certificates import give_certificate
from tests.kit.waiting import ended

NOW = datetime(2027, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HERE, THERE = "http://127.0.0.1:30000", "https://192.0.2.7"
WELL = ApiState({HERE: Answer.OURS}, (), (30000,), users=2, in_use=True)


def told(findings):
    return [(found.status.value, found.text, shell_line(found.hint)) for found in findings]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (WELL, [("ok", f"{HERE}: answers; 2 users", "")]),
        (
            replace(WELL, answers={HERE: Answer.NONE}, users=0, in_use=False),
            [("ok", "not needed: it has no user, and the default settings", "")],
        ),
        (
            replace(WELL, users=0, in_use=False),
            [("warning", "it has no user: every login is refused", "kelvin-provision api user add NAME --level LEVEL")],
        ),
        (
            replace(WELL, answers={HERE: Answer.OURS, THERE: Answer.NONE}),
            [("warning", f"it does not answer at {THERE}", "sudo kelvin-provision api install, or `api serve`")],
        ),
        (
            replace(WELL, answers={HERE: Answer.OTHER}),
            [("error", f"another program answers at {HERE}", "who listens there: ss -ltnp")],
        ),
        (
            replace(WELL, answers={"http://192.0.2.7:80": Answer.OURS}, readable=("http://192.0.2.7:80",)),
            [
                (
                    "warning",
                    "http://192.0.2.7:80 has no TLS: passwords can be read on the way (api.insecure)",
                    "kelvin-provision config unset api.insecure",
                )
            ],
        ),
    ],
)
def test_where_it_answers_and_who_may_log_in(state, expected):
    assert told(api.listener(state)) == expected


def certificate(days=300, authority_days=3000, missing=(), *, of_site=False, begins=NOW - DAY):
    def chain(end):
        return Chain("/c.pem", "/c.pem", (Certificate(b"x", begins, NOW + end * DAY, ("edge",)),))

    return ApiCertificate(chain(days), None if of_site else chain(authority_days), missing)


@pytest.mark.parametrize(
    ("found", "status", "text", "then"),
    [
        (None, "ok", "not needed: the API listens on this box only", ""),
        (certificate(29.5), "warning", "it expires on 2027-03-30, in 30 days", "kelvin-provision api cert renew"),
        (certificate(-2), "error", "it expired on 2027-02-27, 2 days ago", "kelvin-provision api cert renew"),
        (certificate(-2, of_site=True), "error", "it expired on 2027-02-27, 2 days ago", "renew /c.pem where it was issued"),
        (certificate(begins=NOW + DAY), "error", "it is not valid before 2027-03-02; the clock says 2027-03-01", "timedatectl"),
        (
            certificate(missing=("192.0.2.7", "b.example")),
            "warning",
            "it is not for 192.0.2.7, b.example: clients that use these are refused",
            "kelvin-provision api cert renew",
        ),
        (
            certificate(missing=("b.example",), of_site=True),
            "warning",
            "it is not for b.example: clients that use these are refused",
            "have /c.pem issued for them, or correct api.names",
        ),
        (
            certificate(authority_days=364),
            "warning",
            "its authority ends on 2028-02-28, in 364 days",
            "give clients a new authority in time: kelvin-provision api cert renew --authority",
        ),
    ],
)
def test_a_certificate_that_does_not_fit_any_more_says_what_to_do(found, status, text, then):
    assert told(api.certificate(found, NOW)) == [(status, text, then)]


def test_a_certificate_that_is_well_has_its_end_and_names():
    assert told(api.certificate(certificate(), NOW)) == [("ok", "valid until 2027-12-26, for edge", "")]


def test_a_node_port_takes_the_port_of_the_api():
    taken = {30000: "shop/web", 31000: "shop/db"}
    assert told(api.node_ports(WELL, taken)) == [
        (
            "error",
            "port 30000 is the NodePort of the Service shop/web: what is sent to the API goes there",
            "kelvin-provision config set api.listen ADDRESS:PORT, or give the Service another nodePort",
        )
    ]
    assert told(api.node_ports(replace(WELL, ports=(443,)), taken)) == [("ok", "no NodePort takes a port of the API", "")]
    assert told(api.node_ports(replace(WELL, answers={}, in_use=False), taken))[0][0] == "ok", "who has no API loses nothing"
    assert told(api.node_ports(WELL, {})) == [("ok", "there is no NodePort", "")]


@contextmanager
def greeter(words):
    """Another program: it says this to everyone, or nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def greet():
            connection, _ = listening.accept()
            with connection:
                connection.sendall(words)
                connection.recv(1000)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        ended(thread)


@pytest.mark.parametrize("words", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b""])
def test_another_program_is_told_from_ours(words, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "TIMEOUT", 0.3)
    with greeter(words) as port:
        found = state_of(tmp_path, f"127.0.0.1:{port}")
    assert list(found.answers.values()) == [Answer.OTHER]


def state_of(state_dir, *addresses):
    settings = Settings(state_dir, api=ApiSettings(listen=addresses))
    return api.state_of(settings, Users(state_dir, str))


@pytest.mark.parametrize("secure", [False, True])
def test_ours_is_found_with_tls_and_without(tmp_path, secure):
    box = Box(tmp_path / "state")
    with serving(box, secure=secure) as client:
        assert isinstance(client, Client)
        monitored = api._ask("127.0.0.1", client.port, secure=secure)
    assert monitored is Answer.OURS
    assert api._ask("0.0.0.0", client.port, secure=secure) is Answer.NONE
    box.close()


def test_the_state_is_asked_of_addresses_users_and_settings(tmp_path):
    assert not state_of(tmp_path, *ApiSettings().listen).in_use
    assert not (tmp_path / "api-users.json").exists()
    cheap_users(tmp_path, lambda: "2026-11-23T00:00:00Z")
    found = state_of(tmp_path, "127.0.0.1:1")
    assert (found.answers, found.ports, found.users, found.in_use) == ({"http://127.0.0.1:1": Answer.NONE}, (1,), 4, True)
    insecure = Settings(tmp_path, api=ApiSettings(listen=("192.0.2.7:1", "127.0.0.1:1"), insecure=True))
    assert api.certificate_of(insecure) is None
    secure = replace(insecure, api=ApiSettings(listen=("192.0.2.7:1",)))
    assert api.certificate_of(secure) is None, "the API makes it when it starts"
    give_certificate(tmp_path)
    assert api.certificate_of(secure).missing == ()
