"""The proxy for a URL."""

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import SettingsInvalid
from kelvin_provision.registry.proxies import proxy_for

PROXIES = {"HTTPS_PROXY": "http://secure:3128", "http_proxy": "plain"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://r.example/v2/", "secure:3128"), ("http://r.example/v2/", "plain:80"),
        ("https://localhost:5000/", None), ("https://127.0.0.9/", None), ("http://[::1]:5000/", None),
    ],
)  # fmt: skip
def test_the_url_scheme_selects_the_proxy_and_loopback_has_none(url, name):
    found = proxy_for(url, PROXIES)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "https://r.example/", True),
        ("r.example", "https://r.example/", True), ("r.example", "https://a.r.example/", True), ("r.example", "https://bar.example/", False),
        (".r.example", "https://a.r.example/", True), (".r.example", "https://r.example/", False), ("*.r.example", "https://a.r.example/", True),
        ("R.Example , other", "https://r.example/", True), ("r.example", "https://R.EXAMPLE./", True),
        ("r.example:5000", "https://r.example:5000/", True), ("r.example:5000", "https://r.example/", False), ("r.example:443", "https://r.example/", True),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", True), ("10.0.0.0/8", "https://11.1.2.3/", False), ("10.1.2.3", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]:5000/", True), ("10.0.0.0/8", "https://r.example/", False), ("", "https://r.example/", False),
        (",,", "https://r.example/", False),
    ],
)  # fmt: skip
def test_exceptions(exceptions, url, direct):
    assert (proxy_for(url, PROXIES | {"NO_PROXY": exceptions}) is None) is direct


def test_upper_case_has_precedence_and_an_empty_variable_is_ignored():
    assert proxy_for("https://r.example/", {"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2"}).name == "a:1"
    assert proxy_for("https://r.example/", {"HTTPS_PROXY": "", "https_proxy": ""}) is None
    assert proxy_for("https://r.example/", {"HTTP_PROXY": "http://a:1"}) is None


def test_credentials_are_only_in_the_header():
    found = proxy_for("https://r.example/", {"HTTPS_PROXY": "http://me:p%40ss@secure:3128"})
    assert found.headers == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}
    assert repr(found) == "Proxy(url='http://secure:3128', name='secure:3128')"


@pytest.mark.parametrize("value", ["socks5://me:secret@h:1", "http://", "http://h:port", "ftp://h", "http://[::1"])
def test_an_invalid_proxy_is_refused_without_repeating_it(value):
    with pytest.raises(SettingsInvalid) as caught:
        proxy_for("https://r.example/", {"https_proxy": value})
    assert (str(caught.value), shell_line(caught.value.hint)) == (
        "https_proxy is not a valid proxy URL",
        "https_proxy=http://HOST:PORT",
    )
    assert caught.value.__cause__ is None
    assert "secret" not in repr(caught.value.__context__)
