"""Images and registries: what cannot be resolved, downloaded or imported."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class DigestMismatch(ProvisionError):
    """Content does not match its digest; it was quarantined, not used."""

    code, exit_code = "digest-mismatch", os.EX_DATAERR
    hint_default = "try again; if it happens again, the registry or a proxy alters what it serves"


class ManifestInvalid(ProvisionError):
    """The registry returned something that is not an image manifest."""

    code, exit_code = "manifest-invalid", os.EX_DATAERR
    hint_default = "push the image again with a current tool"


class PlatformMissing(ProvisionError):
    """The image has no variant for the platform of this node."""

    code, exit_code = "platform-missing", os.EX_DATAERR
    hint_default = "build and push the image for this platform"


class ImageUnsupported(ProvisionError):
    """The image uses a feature that this runtime does not support."""

    code, exit_code = "image-unsupported", os.EX_DATAERR


class ImageNotFound(ProvisionError):
    """The registry does not have this image."""

    code, exit_code = "image-not-found", os.EX_NOINPUT
    hint_default = command("config show", instruction="check app_name, app_version and the setting registry")


class RegistryDenied(ProvisionError):
    """The registry rejects the credentials, or requires a login."""

    code, exit_code = "registry-denied", os.EX_NOPERM
    hint_default = "docker login HOST, or set registries.HOST.auth_file"


class LoginUnreadable(RegistryDenied):
    """The stored credentials for a registry cannot be read on this box."""

    code, exit_code, of_box = "login-unreadable", os.EX_NOPERM, True


class RegistryUnreachable(ProvisionError):
    """The registry does not respond, or the connection breaks."""

    code, exit_code, temporary = "registry-unreachable", os.EX_UNAVAILABLE, True
    stalled = False
    """Whether it was waited for in vain, so that fewer connections may help."""
    by_page = False
    """Whether a web page came, with a status of success."""
    slow = False
    """Whether bytes came, and too few for an answer that ends."""
    confirmed_size: int | None = None
    """The size of a blob that differs from its descriptor, where the host says it to GET and to HEAD."""
    hint_default = "check the network, then try again"


class RegistryBusy(ProvisionError):
    """The registry is overloaded or limits the rate of requests (429 or 5xx)."""

    code, exit_code, temporary = "registry-busy", os.EX_UNAVAILABLE, True
    stalled = True
    retry_after = 0.0
    """Seconds that the registry asks us to wait, or 0."""
    hint_default = "try again in a few minutes"


class RegistryRefused(ProvisionError):
    """The registry rejects the request, and trying again does not help."""

    code, exit_code = "registry-refused", os.EX_UNAVAILABLE
    hint_default = command("config show", instruction="check the setting registry, its mirrors, and any proxy between")


class TransferStopped(ProvisionError):
    """A download was stopped because it is no longer needed or the agent ends; the partial file is kept."""

    code, exit_code = "transfer-stopped", os.EX_TEMPFAIL


class DownloadWaits(ProvisionError):
    """Downloads are paused by download.window or download.budget; the agent continues them by itself."""

    code, exit_code, temporary = "download-waits", os.EX_TEMPFAIL, True
    hint_default = command("config show", instruction="nothing to do; the limits are in")


class BudgetTooSmall(ProvisionError):
    """A download cannot be resumed, and as a whole it does not fit into one day's download.budget."""

    code, exit_code = "budget-too-small", os.EX_CONFIG
    hint_default = "raise download.budget, or add a mirror that supports range requests, then deploy again"


class ImportFailed(ProvisionError):
    """The runtime rejected the image; the evidence is its output."""

    code, exit_code = "import-failed", 1
    hint_default = command("workloads deploy", "FILE", note="the downloaded bytes are kept")
