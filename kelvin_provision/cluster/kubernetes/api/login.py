"""How we log in to an API server: a certificate, a token, a password, or what a login command or an identity provider returns."""

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
    """The API server's address and how its certificate is verified. Without an authority the system's are trusted."""

    url: str
    authority: bytes = b""
    verify: bool = True
    tls_name: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Credentials:
    """A client certificate as PEM, the value of the Authorization header, or both. Never shown where this is printed."""

    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)


class Login(Protocol):
    """Asked before every request, from any thread."""

    def credentials(self) -> Credentials:
        """Raises ClusterDenied where they cannot be had."""
        ...

    def renew(self) -> bool:
        """After a 401: whether the next `credentials` may be others."""
        ...


@dataclass(frozen=True)
class FixedLogin:
    """What stands in the kubeconfig itself."""

    value: Credentials

    def credentials(self) -> Credentials:
        return self.value

    def renew(self) -> bool:
        return False


@dataclass(frozen=True)
class TokenFileLogin:
    """A token that another program keeps fresh in a file: read before every request."""

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
    """None for an `auth-provider`. Raises OSError and KubeconfigInvalid; an unknown field, such as `as`, would change who we are."""
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
