"""Versions of this program on the box."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class ReleaseInvalid(ProvisionError):
    """A file is no package of this program, is damaged, or does not run on this box."""

    code, exit_code = "release-invalid", os.EX_DATAERR
    hint_default = "copy the file again, and compare its SHA-256 with that of its source; the version before still works"


class ReleaseMissing(ProvisionError):
    """There is no other version of this program on the box."""

    code, exit_code = "release-missing", os.EX_NOINPUT
    hint_default = command("self list", instruction="see which versions there are")
