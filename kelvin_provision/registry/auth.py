"""Credentials for registries, as `docker login` stored them; credential helpers included."""

from __future__ import annotations

import base64
import json
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kelvin_provision.errors import LoginUnreadable
from kelvin_provision.files.durable import FAILING
from kelvin_provision.refs import DOCKER_HUB
from kelvin_provision.settings.model import RegistrySettings, Settings

HUB_KEY = "https://index.docker.io/v1/"
"""The key of Docker Hub's credentials in every auth file."""


@dataclass(frozen=True)
class Credentials:
    """User name and password, or an identity token. The repr holds no secret."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def auth_file(settings: Settings, host: str) -> Path | None:
    """The one that is set for this registry, else Docker's own; None when there is none."""
    chosen = settings.registries.get(host, RegistrySettings()).auth_file
    if chosen is not None:
        return chosen
    folder = os.environ.get("DOCKER_CONFIG")
    try:
        path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
        return path if path.is_file() else None
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in FAILING:
            raise LoginUnreadable(f"{host}: the auth file cannot be read: {os.strerror(error.errno).lower()}") from error
        return None  # a home folder that cannot be entered, or none


def stored_credentials(settings: Settings, host: str) -> Credentials | None:
    """Raises LoginUnreadable when an auth file or credential helper cannot be used."""
    path = auth_file(settings, host)
    if path is None:
        return None
    entry = _entry(path, host)
    token = entry.get("identitytoken") or entry.get("IdentityToken") or ""
    username = entry.get("username") or entry.get("Username") or ""
    password = entry.get("password") or entry.get("Password") or ""
    return Credentials(username, password, token) if username or token else None


def _entry(path: Path, host: str) -> dict[str, str]:
    """Read by Docker's own library. Errors repeat nothing of the file's content."""
    hint = f"docker login {host}"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LoginUnreadable(f"{host}: the auth file {path} does not exist", hint=f"check registries.{host}.auth_file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LoginUnreadable(f"{host}: the auth file {path} cannot be read: {reason}", hint=hint) from error
    except (ValueError, RecursionError):
        # docker.auth would take an invalid file for an empty one
        raise LoginUnreadable(f"{host}: the auth file {path} is not valid JSON", hint=hint) from None
    from kelvin_provision.docker_engine.sdk import auth, docker  # 100 ms: only where there are credentials to read

    try:
        with warnings.catch_warnings(action="ignore"):  # a missing helper is an error below; the warning would repeat it
            return auth.AuthConfig.load_config(None, document).resolve_authconfig(HUB_KEY if host == DOCKER_HUB else host) or {}
    except (docker.errors.DockerException, OSError, ValueError, LookupError, TypeError, AttributeError):
        reason = f"the credentials in {path} cannot be read, or their credential helper does not work"
        raise LoginUnreadable(f"{host}: {reason}", hint=hint) from None


def hosts_with_credentials(settings: Settings) -> frozenset[str]:
    """By the keys of the auth files; helpers are not run."""
    hosts = {host for host, chosen in settings.registries.items() if chosen.auth_file}
    path = auth_file(settings, "")
    with suppress(OSError, ValueError, AttributeError):
        document = json.loads(path.read_bytes()) if path else {}
        for key in (*document.get("auths", {}), *document.get("credHelpers", {})):
            host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
            hosts.add(DOCKER_HUB if host == "index.docker.io" else host)
    return frozenset(hosts)


def dockerconfigjson(settings: Settings, host: str) -> str | None:
    """The content of a `.dockerconfigjson` for this registry alone; None without stored credentials."""
    credentials = stored_credentials(settings, host)
    if credentials is None:
        return None
    key = HUB_KEY if host == DOCKER_HUB else host
    token = {"identitytoken": credentials.identity_token} if credentials.identity_token else {}
    return json.dumps({"auths": {key: {"auth": credentials.basic.removeprefix("Basic "), **token}}})
