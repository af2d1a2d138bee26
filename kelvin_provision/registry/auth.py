"""Logins for registries, as `docker login` left them: read by `docker.auth`, credential helpers included."""

from __future__ import annotations

import base64
import json
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kelvin_provision.errors import RegistryDenied
from kelvin_provision.hints import system
from kelvin_provision.refs import DOCKER_HUB
from kelvin_provision.settings.model import RegistrySettings, Settings

HUB_LOGIN = "https://index.docker.io/v1/"
"""Under this name Docker Hub's login stands in every login file."""


@dataclass(frozen=True)
class Login:
    """A name and a password, or an identity token. Never printed: the repr holds the name at most."""

    user: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_file(settings: Settings, host: str) -> Path | None:
    """The file to read: the one set for this registry, else Docker's own; None when there is none."""
    chosen = settings.registries.get(host, RegistrySettings()).auth_file
    if chosen is not None:
        return chosen
    folder = os.environ.get("DOCKER_CONFIG")
    try:
        path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
        return path if path.is_file() else None
    except (OSError, RuntimeError):
        return None  # a home that we may not enter, or none: no login of ours


def login(settings: Settings, host: str) -> Login | None:
    """What is stored for this registry, or None. Raises RegistryDenied when a file or helper cannot be used."""
    path = login_file(settings, host)
    if path is None:
        return None
    found = _stored(path, host)
    token = found.get("identitytoken") or found.get("IdentityToken") or ""
    user = found.get("username") or found.get("Username") or ""
    return Login(user, found.get("password") or found.get("Password") or "", token) if user or token else None


def _stored(path: Path, host: str) -> dict[str, str]:
    """Docker's own reading of a login file and its helpers, with errors that hold nothing of what is in there."""
    hint = system("docker", "login", host)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RegistryDenied(f"{host}: there is no login file {path}", hint=f"check registries.{host}.auth_file") from None
    except OSError as error:
        raise RegistryDenied(f"{host}: the login file {path} cannot be read", hint=hint) from error
    except (ValueError, RecursionError):
        # docker.auth would take a broken file for an empty one
        raise RegistryDenied(f"{host}: the login file {path} is not JSON", hint=hint) from None
    from docker import auth, errors  # 100 ms: paid only where there is a login to read

    try:
        with warnings.catch_warnings(action="ignore"):  # a missing helper is an error below; its warning would only repeat it
            return auth.AuthConfig.load_config(None, document).resolve_authconfig(HUB_LOGIN if host == DOCKER_HUB else host) or {}
    except (errors.DockerException, OSError, ValueError, LookupError, TypeError, AttributeError):
        raise RegistryDenied(f"{host}: the login in {path} cannot be read, or its credential helper does not work", hint=hint) from None


def hosts_with_login(settings: Settings) -> frozenset[str]:
    """Registries that a login is stored for, by the names in the files; helpers and passwords are not asked."""
    found = {host for host, chosen in settings.registries.items() if chosen.auth_file}
    path = login_file(settings, "")
    with suppress(OSError, ValueError, AttributeError):
        stored = json.loads(path.read_bytes()) if path else {}
        for key in (*stored.get("auths", {}), *stored.get("credHelpers", {})):
            host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
            found.add(DOCKER_HUB if host == "index.docker.io" else host)
    return frozenset(found)


def dockerconfigjson(settings: Settings, host: str) -> str | None:
    """The text of a `.dockerconfigjson` that logs in to this registry alone; None without a stored login."""
    found = login(settings, host)
    if found is None:
        return None
    server = HUB_LOGIN if host == DOCKER_HUB else host
    entry = {"identitytoken": found.identity_token} if found.identity_token else {}
    return json.dumps({"auths": {server: {"auth": found.basic.removeprefix("Basic "), **entry}}})
