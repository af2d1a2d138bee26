"""What was asked for is not right: the command line, a request, a file, a time."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class UsageRefused(ProvisionError):
    """Arguments contradict each other, or one is missing."""

    code, exit_code = "usage", 2
    hint_default = command("--help")


class ConfirmationNeeded(ProvisionError):
    """A destructive command needs a confirmation, and there is no terminal to ask on."""

    code, exit_code = "confirmation-needed", 2
    hint_default = "add --yes to confirm"


class AnswersMissing(ProvisionError):
    """`setup` needs an answer that no option gives, and there is no terminal to ask on; the evidence names each option."""

    code, exit_code = "answers-missing", 2
    hint_default = "add --yes to take the defaults"


class RequestRefused(ProvisionError):
    """The request is invalid; the evidence lists every finding with file, document and path."""

    code, exit_code = "request-refused", os.EX_DATAERR
    hint_default = "correct the findings and deploy again; nothing was stored"


class FileUnreadable(ProvisionError):
    """A file cannot be read."""

    code, exit_code = "file-unreadable", os.EX_NOINPUT
    hint_default = "check the path and its permissions"


class ReferenceInvalid(ProvisionError):
    """An image reference is invalid."""

    code, exit_code = "reference-invalid", os.EX_DATAERR
    hint_default = "a reference is host[:port]/path[:tag][@sha256:digest]"


class SecretMissing(ProvisionError):
    """A request refers to a secret that is not on this box."""

    code, exit_code = "secret-missing", os.EX_DATAERR
    hint_default = "write the value to /etc/kelvin-provision/secrets/NAME, mode 0600"


class CursorInvalid(ProvisionError):
    """The cursor of a list is invalid."""

    code, exit_code = "cursor-invalid", os.EX_DATAERR
    hint_default = "start again without --next"


class TimeRefused(ProvisionError):
    """A time is invalid, in the past, too far away, or does not exist on that day."""

    code, exit_code = "time-refused", 2
    hint_default = 'a time is 02:00 (the next one), "2026-11-23 02:00" (local), or 2026-11-23T02:00:00+01:00'
