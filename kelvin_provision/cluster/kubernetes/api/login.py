"""Logins to an API server: certificates, tokens, passwords, login commands and identity providers."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kelvin_provision.cluster.kubernetes.api.kubeconfig import Kubeconfig, KubeconfigInvalid, Section
from kelvin_provision.errors import ClusterDenied

_CERTIFICATE = {"client-certificate", "client-certificate-data", "client-key", "client-key-data"}
SUPPORTED = frozenset(_CERTIFICATE | {"token", "tokenFile", "username", "password", "exec", "auth-provider", "extensions"})


@dataclass(frozen=True)
class Server:
    """The address, and how the server's certificate is verified: against `authority`, or else the system's authorities."""

    url: str
    authority: bytes = b""
    verify: bool = True
    tls_name: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Credentials:
    """A client certificate in PEM, an Authorization header, or both. They do not appear in `repr`."""

    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)


class Login(Protocol):
    """Called before every request, from any thread."""

    def credentials(self) -> Credentials:
        """Raises ClusterDenied if there are none."""
        ...

    def renew(self) -> bool:
        """Called after a 401. False if `credentials` would return the same again."""
        ...


@dataclass(frozen=True)
class FixedLogin:
    """Credentials in the kubeconfig itself."""

    value: Credentials

    def credentials(self) -> Credentials:
        return self.value

    def renew(self) -> bool:
        return False


@dataclass(frozen=True)
class TokenFileLogin:
    """A token in a file that another program rotates; it is read before every request."""

    path: Path
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)

    def credentials(self) -> Credentials:
        try:
            token = self.path.read_text().strip()
        except OSError as error:
            raise ClusterDenied(f"token file {self.path}: {error.strerror}") from error
        return Credentials(self.certificate, self.key, f"Bearer {token}")

    def renew(self) -> bool:
        return True


def server_of(kubeconfig: Kubeconfig) -> Server:
    """Raises OSError and KubeconfigInvalid."""
    cluster = kubeconfig.cluster
    url = cluster.text("server").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise KubeconfigInvalid(f"the cluster's server is not a URL: {url}" if url else "the cluster has no server")
    verify = not cluster.fields.get("insecure-skip-tls-verify")
    return Server(url, cluster.content("certificate-authority"), verify, cluster.text("tls-server-name"), cluster.text("proxy-url"))


def login_of(kubeconfig: Kubeconfig) -> Login | None:
    """Return None for an `auth-provider`. Raises OSError and KubeconfigInvalid, also for unknown fields: `as` would change who we are."""
    user = kubeconfig.user
    if unknown := sorted(user.fields.keys() - SUPPORTED):
        raise KubeconfigInvalid(f"the user's field {unknown[0]} is not supported")
    if "auth-provider" in user.fields:
        return None
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if bool(certificate) != bool(key):
        raise KubeconfigInvalid("client-certificate and client-key belong together")
    if user.text("tokenFile"):
        return TokenFileLogin(user.folder / user.text("tokenFile"), certificate, key)
    if "exec" in user.fields and not user.text("token"):
        from kelvin_provision.cluster.kubernetes.api.exec_plugin import ExecLogin

        return ExecLogin(user, kubeconfig.cluster, Credentials(certificate, key))
    return FixedLogin(Credentials(certificate, key, _authorization(user)))


def _authorization(user: Section) -> str:
    if user.text("token"):
        return f"Bearer {user.text('token')}"
    if user.text("username"):
        pair = f"{user.text('username')}:{user.text('password')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""
