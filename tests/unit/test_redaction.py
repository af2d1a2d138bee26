"""What may leave the box: secrets by name, by pattern, by value, in every form and however the text is cut."""

import base64
import json
from urllib.parse import quote

import pytest

from kelvin_provision.masking.names import blanked, secrets_in, secrets_in_text
from kelvin_provision.masking.redactor import LONGEST, RULES, Redactor
from kelvin_provision.masking.secret_names import promises_secret
from kelvin_provision.masking.values import forms

PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEA\nAbc+/9==\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASSWORD", "dbPassword", "APIKey", "x-api-key", "client-key-data", "identitytoken", "AUTH", "MQTT_PW", "SECRET_ID"],
)
def test_a_name_that_promises_a_secret(name):
    assert promises_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "name",
        "secrets_dir",
        "auth_file",
        "secretKeyRef",
        "KEYBOARD",
        "monkey",
        "author",
        "passage",
        "token-file",
        "tokenExpirationSeconds",
        "42",
    ],
)
def test_a_name_that_does_not(name):
    assert not promises_secret(name)


def test_a_document_is_blanked_by_its_names():
    document = {
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LEVEL", "value": "info"}, "API_KEY=1 2", "LEVEL=info"],
        "volumes": [
            {"name": "v", "kind": "secret", "secret": "literal", "target": "/x"},
            {"kind": "text", "data": "cGFzc3dvcmQ6IGh1bnRlcjI="},
        ],
        "credentials": {"user": "u", "pin": 4711, "on": True, "none": None},
        "from": {"secretKeyRef": {"name": "db", "key": "pw"}},
        "reference": {"password": "<% secrets.db %>"},
    }
    assert blanked(document) == {
        "env": [{"name": "DB_PASSWORD", "value": "***"}, {"name": "LEVEL", "value": "info"}, "***", "LEVEL=info"],
        "volumes": [{"name": "v", "kind": "secret", "secret": "***", "target": "/x"}, {"kind": "text", "data": "***"}],
        "credentials": {"user": "***", "pin": "***", "on": True, "none": None},
        "from": {"secretKeyRef": {"name": "db", "key": "pw"}},
        "reference": {"password": "<% secrets.db %>"},
    }
    assert list(secrets_in(document)) == ["hunter2", "1 2", "literal", "hunter2", "u", "4711"]


def test_a_secret_of_kubernetes_is_secret_in_all_of_its_data():
    item = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"file.txt": "aHVudGVyMg=="}, "stringData": {"a": "hunter3"}}
    assert blanked(item) == {"kind": "Secret", "metadata": {"name": "s"}, "data": {"file.txt": "***"}, "stringData": {"a": "***"}}


def test_where_a_secret_appears_is_none():
    mounted = {"secretName": "db", "items": [{"key": "volume.v", "path": "volume.v", "mode": 420}]}
    pod = {"volumes": [{"name": "s", "secret": mounted}], "imagePullSecrets": [{"name": "pull"}]}
    assert (blanked(pod), list(secrets_in(pod))) == (pod, [])
    own = {"secretName": "db", "password": "hunter2", "map": {"key": "k"}}
    assert blanked(own) == {"secretName": "db", "password": "***", "map": {"key": "***"}}


def test_the_passwords_of_a_text():
    text = 'time: token=a1b2 "password": "p \\"q\\"" pg://u:s3cret@h/d --auth-key k3y enabled: true'
    assert list(secrets_in_text(text)) == ["a1b2", 'p \\"q\\"', 'p "q"', "k3y", "s3cret"]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("connect password=hunter2 to db", "connect password=*** to db"),
        ('{"level":"info","token":"abc","n":1}', '{"level":"info","token":"***","n":1}'),
        (r'msg="{\"password\": \"q w\"}" next', r'msg="{\"password\": \"***\"}" next'),
        ("GET https://u:p@host/x?sig=abc&page=2", "GET https://***@host/x?sig=***&page=2"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: ***"),
        ("sent Bearer abc.DEF-012", "sent Bearer ***"),
        ("basic authentication, bearer of news", "basic authentication, bearer of news"),
        ("Set-Cookie: session=abc; Path=/", "Set-Cookie: ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln x", "jwt *** x"),
        ("mysql --password hunter2 --verbose", "mysql --password *** --verbose"),
        ("2026-01-02T03:04:05Z pulled r.io/a@sha256:" + "0a" * 32, "2026-01-02T03:04:05Z pulled r.io/a@sha256:" + "0a" * 32),
        ("key " + "aB1+" * 20, "key ***"),
        ("secrets_dir=/etc/x: no permission", "secrets_dir=/etc/x: no permission"),
    ],
)
def test_a_line_by_its_patterns(line, left):
    assert Redactor().text(line) == left


def test_a_known_value_is_found_in_every_form():
    secret = 'h/un"ter é2'
    in_base64 = [base64.b64encode((ahead + secret + behind).encode()).decode() for ahead in ("", "a", "ab") for behind in ("", "xy")]
    for text in (
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        quote(secret),
        quote(secret, safe="").lower(),
        *in_base64,
    ):
        left = Redactor([secret.encode()]).text(f"x {text} y")
        assert "***" in left
        assert not [form for form in ("un", "ter", base64.b64encode(b'un"ter').decode()[2:6]) if form in left]


def test_short_values_are_left_to_their_names():
    assert forms([b"abc", b"", b" \n", b"12345", b"password", b"Value"]) == []
    assert "123456" in forms([b"123456"])
    assert Redactor([b"abc"]).text("abcdef password=abc") == "abcdef password=***"


def test_a_secret_of_several_lines_is_found_line_by_line():
    redactor = Redactor([b"first line of it\nsecond line of it\nend"])
    assert redactor.text("a second line of it b\nfirst line of it\n") == "a *** b\n***\n"


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_it_does_not_matter_how_text_is_cut(size):
    text = f"one\npassword=hunter2\n{PEM}after topsecret\nlast topsecret"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join(Redactor([b"topsecret"]).stream(chunks)) == "one\npassword=***\n***\nafter ***\nlast ***"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (json.dumps(PEM), '"***\\n"'),
        (f"x {PEM.splitlines()[0]}\nMIIE\nand then this line is no key\nq\n", "x ***\nand then this line is no key\nq\n"),
        ("-----BEGIN CERTIFICATE-----\nMIIE\n", "-----BEGIN CERTIFICATE-----\nMIIE\n"),
    ],
)
def test_private_keys_go_and_nothing_else_does(text, left):
    assert Redactor().text(text) == left


def test_a_line_without_end_is_cut_where_no_secret_can_be_halved():
    secret = b"0123456789-topsecret-0123456789"
    line = "x" * (LONGEST - 10) + secret.decode() + "y" * LONGEST
    redactor = Redactor([secret])
    found = "".join(redactor.stream([line, "tail\nnext\n"]))
    assert found.endswith(" [the line is longer]\nnext\n")
    assert "0123" not in found
    assert LONGEST - 500 < len(found) < LONGEST + 50


def test_it_counts_what_it_took_out_by_rule():
    redactor = Redactor([b"topsecret"])
    redactor.text(f"topsecret topsecret token=abc\n{PEM}https://u:p@h\n")
    assert {rule.id: redactor.counts[rule.id] for rule in RULES if redactor.counts[rule.id]} == {
        "known-values": 2,
        "names": 1,
        "private-keys": 1,
        "logins-in-addresses": 1,
    }


@pytest.mark.parametrize("piece", ["a://b", "token=", 'a=\\"', "a="])
def test_a_hostile_line_of_a_mebibyte_ends_soon(piece):
    assert Redactor().text(piece * (LONGEST // len(piece)))
