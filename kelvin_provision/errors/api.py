"""The API of this box: its process, its address, its users, what is uploaded to it."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command, system


class ApiMissing(ProvisionError):
    """The libraries of the API are not installed."""

    code, exit_code = "api-missing", os.EX_UNAVAILABLE
    hint_default = system("pip", "install", "kelvin-provision[api]")


class ListenRefused(ProvisionError):
    """The API cannot listen there: an address needs an IP and a port."""

    code, exit_code = "listen-refused", os.EX_CONFIG
    hint_default = command("config set", "api.listen", "127.0.0.1:30000")


class ListenFailed(ProvisionError):
    """The address of the API is in use, or may not be used by this user."""

    code, exit_code = "listen-failed", os.EX_UNAVAILABLE
    hint_default = system("ss", "-ltnp", instruction="who listens there", note="or choose another port: --listen 127.0.0.1:PORT")


class CertificateUnusable(ProvisionError):
    """The certificate of the API, its key or its authority cannot be used."""

    code, exit_code, of_box = "certificate-unusable", os.EX_CONFIG, True
    hint_default = command("api cert show")


class CertificateMissing(ProvisionError):
    """This box has no certificate for its API yet: it is made when one is needed."""

    code, exit_code = "certificate-missing", os.EX_NOINPUT
    hint_default = command("api cert renew", instruction="make one now")


class NameTaken(ProvisionError):
    """There is a user or a token of that name already."""

    code, exit_code = "name-taken", 2
    hint_default = "choose another name"


class PasswordRefused(ProvisionError):
    """The password is too easy to guess, or cannot be typed."""

    code, exit_code = "password-refused", 2
    hint_default = "a sentence is easy to remember, and long"


class TokenUnknown(ProvisionError):
    """The API has no token of that name."""

    code, exit_code = "token-unknown", os.EX_NOINPUT
    hint_default = command("api token list")


class UserUnknown(ProvisionError):
    """The API has no user of that name."""

    code, exit_code = "user-unknown", os.EX_NOINPUT
    hint_default = command("api user list")


class UploadUnknown(ProvisionError):
    """There is no such upload: it never was, was removed, or everything in it is staged."""

    code, exit_code = "upload-unknown", os.EX_NOINPUT
    hint_default = "see the uploads in GET /edge/v1/uploads, and begin again"


class UploadsFull(ProvisionError):
    """There are as many uploads as a box keeps."""

    code, exit_code, temporary = "too-many-uploads", os.EX_TEMPFAIL, True
    hint_default = "remove one that is not needed any more: DELETE /edge/v1/uploads/ID"
