"""The API of this box: its process, its address, its users."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command, system


class ApiMissing(ProvisionError):
    """The libraries of the API are not installed."""

    code, exit_code = "api-missing", os.EX_UNAVAILABLE
    hint_default = system("pip", "install", "kelvin-provision[api]")


class ListenRefused(ProvisionError):
    """The API does not listen on this address: plain HTTP is for this box only."""

    code, exit_code = "listen-refused", os.EX_CONFIG
    hint_default = command("config set", "api.listen", "127.0.0.1:30000")


class ListenFailed(ProvisionError):
    """The address of the API is in use, or may not be used by this user."""

    code, exit_code = "listen-failed", os.EX_UNAVAILABLE
    hint_default = system("ss", "-ltnp", instruction="who listens there", note="or choose another port: --listen 127.0.0.1:PORT")


class UserUnknown(ProvisionError):
    """The API has no user of that name."""

    code, exit_code = "user-unknown", os.EX_NOINPUT
    hint_default = command("api user list")
