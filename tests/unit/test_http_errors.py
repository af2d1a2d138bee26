"""Errors of connections that no real server can be made to cause."""

import ssl

import pytest
from urllib3 import exceptions as http

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import RegistryRefused, RegistryUnreachable
from kelvin_provision.registry.http_errors import Asked, Endpoint


def tls(words, code):
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message, error.verify_code = words, code
    return http.SSLError(error)


def broken_handshake():
    error = ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING]")
    error.reason = "UNEXPECTED_EOF_WHILE_READING"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words", "hint"),
    [
        (
            http.ConnectTimeoutError("x"),
            RegistryUnreachable,
            "the registry r.io does not answer (no connection within 10 seconds)",
            "check the network",
        ),
        (
            http.ReadTimeoutError(None, "u", "m"),
            RegistryUnreachable,
            "the registry r.io does not answer (no data received for 30 seconds)",
            "check the network",
        ),
        (TimeoutError(), RegistryUnreachable, "the registry r.io does not answer (no data received for 30 seconds)", "check the network"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            RegistryUnreachable,
            "the connection to the registry r.io broke (connection reset by peer)",
            "check the network",
        ),
        (
            http.ProtocolError("x"),
            RegistryUnreachable,
            "the connection to the registry r.io broke (connection closed by the server)",
            "check the network",
        ),
        (
            http.IncompleteRead(1, 2),
            RegistryUnreachable,
            "the connection to the registry r.io broke (connection closed by the server)",
            "check the network",
        ),
        (http.DecodeError("x"), RegistryUnreachable, "the connection to the registry r.io broke (DecodeError)", "check the network"),
        (http.LocationParseError("http://x?secret"), RegistryRefused, "the registry r.io redirects to an invalid URL", ""),
        (
            tls("certificate has expired", 10),
            RegistryUnreachable,
            "no secure connection to the registry r.io (TLS: certificate has expired)",
            "check the clock of this box: date",
        ),
        (
            tls("certificate is not yet valid", 9),
            RegistryUnreachable,
            "no secure connection to the registry r.io (TLS: certificate is not yet valid)",
            "check the clock of this box: date",
        ),
        (
            http.SSLError(broken_handshake()),
            RegistryUnreachable,
            "no secure connection to the registry r.io (TLS: connection closed by the server)",
            "check the network",
        ),
        (
            http.SSLError(ssl.SSLError(1, "x")),
            RegistryUnreachable,
            "no secure connection to the registry r.io (TLS: SSLError)",
            "check the network",
        ),
        (
            tls("self-signed certificate", 18),
            RegistryUnreachable,
            "no secure connection to the registry r.io (TLS: self-signed certificate)",
            "set registries.r.io.ca_file to",
        ),
    ],
)
def test_every_connection_error_has_a_message_and_a_hint(error, kind, words, hint):
    with pytest.raises(kind) as caught, Endpoint("r.io", 30.0).translated_errors(Asked("the registry r.io", "a:1")):
        raise error
    assert str(caught.value) == words
    assert shell_line(caught.value.hint).startswith(hint)
    assert caught.value.temporary is (kind is RegistryUnreachable)
    assert "secret" not in str(caught.value.__cause__)


def test_other_errors_pass_through():
    with pytest.raises(KeyError), Endpoint("r.io", 30.0).translated_errors(Asked("the registry r.io", "a:1")):
        raise KeyError
