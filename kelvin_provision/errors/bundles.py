"""Bundles and the media that carry them."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class BundleInvalid(ProvisionError):
    """The file is not a bundle, or one that breaks a rule of the format; nothing was stored."""

    code, exit_code = "bundle-invalid", os.EX_DATAERR
    hint_default = "copy the bundle to the medium again"


class BundleDamaged(ProvisionError):
    """Bytes of the bundle are not what its table of contents says."""

    code, exit_code = "bundle-damaged", os.EX_DATAERR
    hint_default = command("bundle verify", "PLACE", note="then copy the files that it names to the medium again")


class BundleUnsuitable(ProvisionError):
    """The bundle is for another box or platform, or needs something that this box does not have."""

    code, exit_code = "bundle-unsuitable", os.EX_DATAERR
    hint_default = "make a bundle for this box at the desk"


class BundleOlder(ProvisionError):
    """A bundle with a higher serial of the same signer was imported before."""

    code, exit_code = "bundle-older", os.EX_DATAERR
    hint_default = command("bundle import", "PLACE", "--allow-older", instruction="use the newest bundle, or import this one all the same")


class BundleRevoked(ProvisionError):
    """The bundle is revoked: nothing of it is imported."""

    code, exit_code = "bundle-revoked", os.EX_DATAERR
    hint_default = "ask the desk for the bundle that replaces it"


class BundleDiffers(ProvisionError):
    """What is to be repaired is not the bundle that the same requests, images and options make."""

    code, exit_code = "bundle-differs", os.EX_DATAERR
    hint_default = "give the requests, the source and the options that it was made with; without --repair it is replaced"


class InventoryInvalid(ProvisionError):
    """The file is not an inventory of a box, or one that breaks a rule of the format."""

    code, exit_code = "inventory-invalid", os.EX_DATAERR
    hint_default = command("images list", "--inventory", "FILE", instruction="make it again at the box")


class BundleMissing(ProvisionError):
    """There is no bundle at this place."""

    code, exit_code = "bundle-missing", os.EX_NOINPUT
    hint_default = "name the bundle's file, or the folder that has it"


class PackageImpossible(ProvisionError):
    """No package can be made of this version: an image of it is not whole in the store."""

    code, exit_code = "package-impossible", os.EX_UNAVAILABLE
    hint_default = command("workloads deploy", "FILE", "--staged", note="the same request; then its images are in the store")


class MediumGone(ProvisionError):
    """The medium with the bundle is not there any more, or this part of the bundle is on another one."""

    code, exit_code, temporary = "medium-gone", os.EX_TEMPFAIL, True
    hint_default = "insert the medium again; what was copied is kept, and the agent continues by itself"
