"""Deltas: what makes one layer out of another."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class DeltaInvalid(ProvisionError):
    """The delta breaks a rule of its format, or makes another layer than it says; nothing of it was used."""

    code, exit_code = "delta-invalid", os.EX_DATAERR
    hint_default = "no action is needed: the whole layer is used instead; make the delta again with a current version"


class DeltaMissing(ProvisionError):
    """Layers come as deltas only on this box, and for one of this version there is no delta that can be used here."""

    code, exit_code = "delta-missing", os.EX_TEMPFAIL
    hint_default = command(
        "config set", "download.deltas", "auto", note="or make one with `images delta`, and the agent finds it by itself"
    )


class DeltaBaseMissing(ProvisionError):
    """A layer that the delta is made from is not here."""

    code, exit_code = "delta-base-missing", os.EX_NOINPUT
    hint_default = "no action is needed: the whole layer is used instead"


class DeltaBaseDamaged(ProvisionError):
    """A layer that the delta is made from is here with other content than its digest says."""

    code, exit_code = "delta-base-damaged", os.EX_DATAERR
    hint_default = "no action is needed: the whole layer is used instead"
