"""Publications and reports at a registry."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class PublicationInvalid(ProvisionError):
    """What is at the registry is not a publication, or one that breaks a rule of the format; nothing of it was stored."""

    code, exit_code = "publication-invalid", os.EX_DATAERR
    hint_default = command("publish", "-f", "FILE", "REGISTRY/REPO:TAG", "--sign", "KEY", instruction="publish it again at the desk")


class PublicationOlder(ProvisionError):
    """An older publication than this box has had already; nothing of it was stored."""

    code, exit_code = "publication-older", os.EX_DATAERR
    _higher = "publish what boxes should have at the desk, with a higher serial than this box has had"
    hint_default = command("publish", "-f", "FILE", "REGISTRY/REPO:TAG", "--sign", "KEY", "--serial", "NUMBER", instruction=_higher)


class PublicationDiffers(ProvisionError):
    """Another publication than the one that this box has had with the same serial; nothing of it was stored."""

    code, exit_code = "publication-differs", os.EX_DATAERR
    _again = "publish what boxes should have once more at the desk, with a higher serial"
    hint_default = command("publish", "-f", "FILE", "REGISTRY/REPO:TAG", "--sign", "KEY", "--serial", "NUMBER", instruction=_again)


class ReportInvalid(ProvisionError):
    """A report of a box breaks a rule of the format."""

    code, exit_code = "report-invalid", os.EX_DATAERR
    hint_default = "update the program at the box or at the desk, whichever is older"


class TagMoved(ProvisionError):
    """Another publisher has pushed to the same tag meanwhile; it was not replaced."""

    code, exit_code, temporary = "tag-moved", os.EX_TEMPFAIL, True
    hint_default = "do it again: what the other publisher has pushed is taken into account then"
