"""Deltas: what makes one layer out of another."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError


class DeltaInvalid(ProvisionError):
    """The delta breaks a rule of its format, or makes another layer than it says; nothing of it was used."""

    code, exit_code = "delta-invalid", os.EX_DATAERR
    hint_default = "no action is needed: the whole layer is used instead; make the delta again with a current version"


class DeltaBaseMissing(ProvisionError):
    """A layer that the delta is made from is not here."""

    code, exit_code = "delta-base-missing", os.EX_NOINPUT
    hint_default = "no action is needed: the whole layer is used instead"


class DeltaBaseDamaged(ProvisionError):
    """A layer that the delta is made from is here with other content than its digest says."""

    code, exit_code = "delta-base-damaged", os.EX_DATAERR
    hint_default = "no action is needed: the whole layer is used instead"
