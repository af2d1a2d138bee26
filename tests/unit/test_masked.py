"""What is never shown, and what is all the same said to have changed."""

import base64

import pytest

from kelvin_provision.masking.masked import Masked, mask
from kelvin_provision.spec.diff.fields import compare


def shown(value):
    if isinstance(value, Masked):
        return value.shown
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def test_a_veil_hides_the_value_and_not_its_change():
    one, same, other = Masked("***", "a"), Masked("***", "a"), Masked("***", "b")
    assert (one == same, one == other, str(one), repr(one)) == (True, False, "***", "Masked(shown='***')")
    old, new = ({"kind": "Secret", "data": {"a": text, "b": "eA=="}} for text in ("eQ==", "eg=="))
    assert [field.path for field in compare(mask(old), mask(new))] == ["data.a"]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"kind": "Secret", "stringData": {"a": "x", "b": "<% secrets.b %>"}}, {"kind": "Secret", "stringData": {"a": "***", "b": "<% secrets.b %>"}}),
        ({"env": [{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"k": 1}}]}, {"env": [{"name": "A", "value": "***"}, {"name": "B", "valueFrom": {"k": 1}}]}),
        ({"env": [{"name": "KELVIN_APP_NAME", "value": "x"}, {"name": "E", "value": ""}]}, {"env": [{"name": "KELVIN_APP_NAME", "value": "x"}, {"name": "E", "value": ""}]}),
        ({"spec": {"environment": {"A": "x", "R": "<% secrets.r %>"}}}, {"spec": {"environment": {"A": "***", "R": "<% secrets.r %>"}}}),
        ({"readiness": {"headers": [["Authorization", "x"]]}}, {"readiness": {"headers": [["Authorization", "***"]]}}),
        ({"httpHeaders": [{"name": "Authorization", "value": "x"}]}, {"httpHeaders": [{"name": "Authorization", "value": "***"}]}),
        ({"db_password": "x", "apiKey": "y", "secretName": "z", "automountServiceAccountToken": False}, {"db_password": "***", "apiKey": "***", "secretName": "z", "automountServiceAccountToken": False}),
        ({"env": [{"name": "LEVEL", "value": "debug"}], "args": ["-P", "4711x"]}, {"env": [{"name": "LEVEL", "value": "debug"}], "args": ["-P", "***"]}),
        ({"url": "https://anna:pw@host/x"}, {"url": "https://***@host/x"}),
        ({"data": {"rules": "speed: 3\npassword = x\nexport API_TOKEN=y\n"}}, {"data": {"rules": "speed: 3\npassword = ***\nexport API_TOKEN=***\n"}}),
        ({"app": {"dsn": "x", "pwd": "y", "pin_token": 4711, "tokens": ["z"], "credentials": {"user": "u"}}}, {"app": {"dsn": "***", "pwd": "***", "pin_token": "***", "tokens": ["***"], "credentials": {"user": "***"}}}),
        ({"key": "a", "keys": ["b"], "c": {"secretKeyRef": {"name": "n", "key": "k"}}, 7: "x"}, {"key": "a", "keys": ["b"], "c": {"secretKeyRef": {"name": "n", "key": "k"}}, 7: "x"}),
        ({"data": {"rules": "key = shown\ndb.pwd: x\ntoken-file = shown\n# passwort: y\n"}}, {"data": {"rules": "key = shown\ndb.pwd: ***\ntoken-file = shown\n# passwort: ***\n"}}),
        ({"data": {"rules": '"secret": "<% secrets.a %>"\n'}}, {"data": {"rules": '"secret": "<% secrets.a %>"\n'}}),
    ],
)  # fmt: skip
def test_secrets_variables_headers_and_passwords_are_covered(item, found):
    assert shown(mask(item)) == found


def test_secret_files_of_a_container_are_covered_by_their_path():
    files = [{"path": "/key", "text": "x", "mode": "0400"}, {"path": "/opt/kelvin/share/config.yaml", "text": "token: x\nspeed: 3\n"}]
    assert shown(mask({"kind": "Container", "spec": {"files": files}}, {"/key"}))["spec"]["files"] == [
        {"path": "/key", "text": "***", "mode": "0400"},
        {"path": "/opt/kelvin/share/config.yaml", "text": "token: '***'\nspeed: 3\n"},
    ]


def test_the_app_manifest_is_covered_field_by_field():
    text = (
        "name: motor\ndefaults:\n  system:\n    environment_vars:\n    - name: A\n      value: hidden\n"
        "    volumes:\n    - name: f\n      text:\n        data: hidden\n"
    )
    masked = text.replace("value: hidden", "value: '***'").replace("data: hidden", "data: (6 characters, shown as a file)")
    assert shown(mask({"data": {"app.yaml": text}})) == {"data": {"app.yaml": masked}}
    assert shown(mask({"data": {"app.yaml": "{broken: [\npassword: x"}})) == {"data": {"app.yaml": "{broken: [\npassword: ***"}}


def test_a_long_line_without_a_name_is_read_once():
    """A pattern that tries every beginning of a name takes hours here."""
    text = "x" * 2_000_000 + "\npwd=y"
    assert str(mask({"data": {"rules": text}})["data"]["rules"]) == "x" * 2_000_000 + "\npwd=***"


def test_what_was_planted_is_nowhere():
    secret = "correct-horse"
    item = {
        "kind": "Secret",
        "data": {"a": base64.b64encode(secret.encode()).decode()},
        "stringData": {"b": secret},
        "spec": {"env": [{"name": "X", "value": secret}], "token": secret, "files": [{"path": "/k", "text": secret}]},
    }
    told = repr(mask(item, {"/k"})) + str(shown(mask(item, {"/k"})))
    assert secret not in told
    assert base64.b64encode(secret.encode()).decode() not in told
