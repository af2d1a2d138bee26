"""`WWW-Authenticate` as registries send it, and as hostile ones would."""

import time

import pytest

from kelvin_provision.registry.challenge import Challenge, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="Registry"', [("basic", {"realm": "Registry"})]),
        ("Basic realm=plain", [("basic", {"realm": "plain"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io", "scope": "repository:a/b:pull,push"})],
        ),
        ('bearer REALM="https://r/t" , Service = "s"', [("bearer", {"realm": "https://r/t", "service": "s"})]),
        ('Basic realm="a", Bearer realm="b"', [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        ('Negotiate, Basic realm="a"', [("negotiate", {}), ("basic", {"realm": "a"})]),
        ('Negotiate,Basic realm="a"', [("negotiate", {}), ("basic", {"realm": "a"})]),
        (', , Basic realm="a",, Bearer realm="b",', [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        ("Negotiate", [("negotiate", {})]),
        (r'Basic realm="a \"quoted\" \\ word, x=1"', [("basic", {"realm": r'a "quoted" \ word, x=1'})]),
        ('Bearer realm="https://r/t",error="invalid_token"', [("bearer", {"realm": "https://r/t", "error": "invalid_token"})]),
        ('Bearer realm="never closed', [("bearer", {})]),
        ("=", []),
        ('realm="a"', []),
    ],
)
def test_every_form_of_a_challenge_is_read(header, expected):
    assert [(found.scheme, found.parameters) for found in parse(header)] == expected


@pytest.mark.parametrize(
    "header",
    [
        " " * 65_000,
        "Bearer" + " " * 65_000 + "!",
        "Bearer a=b" + " ," * 32_000 + "!",
        "Bearer " + "a" * 65_000,
        'Bearer realm="' + "\\a" * 32_000,
        "a " * 32_000,
        "Bearer " + "a=b," * 16_000 + "!",
    ],
)
def test_a_header_of_64_kib_is_parsed_quickly(header):
    began = time.perf_counter()
    parse(header)
    assert time.perf_counter() - began < 30.0


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({"realm": "https://a/t", "service": "s 1"}, "https://a/t?service=s+1&scope=repository%3Ax%3Apull"),
        ({"realm": "https://a/t?account=me", "service": "s"}, "https://a/t?account=me&service=s&scope=repository%3Ax%3Apull"),
        ({"realm": "https://a/t"}, "https://a/t?scope=repository%3Ax%3Apull"),
        ({"realm": "https://a/t", "scope": "own"}, "https://a/t?scope=own"),
    ],
)
def test_the_token_url_has_service_and_scope(parameters, url):
    assert Challenge("bearer", parameters).token_url("repository:x:pull") == url
