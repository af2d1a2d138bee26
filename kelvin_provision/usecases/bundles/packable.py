"""Whether a package can be made of a workload: all its images must be in the store. Imports little: the API asks it, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kelvin_provision.context import Context
from kelvin_provision.errors import NothingApplied, PackageImpossible
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import Hint, command
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.store import BlobState

_NAMED = 10
"""Missing blobs that are named."""


@dataclass(frozen=True)
class PackageRequest:
    """The staged version of a workload if it has one, else the running one; with `running`, the running one in any case."""

    name: str
    running: bool = False


def revision_number(ctx: Context, request: PackageRequest) -> int:
    """Of the version that a package would have, without hashing anything. Raises as `packable` and `refuse_lacking`."""
    revision, locks = packable(ctx, request)
    absent = {BlobState.MISSING, BlobState.WRONG_SIZE}
    refuse_lacking(ctx, revision, locks, lambda lock: [blob for blob in ctx.store.kept(lock) if ctx.store.state(blob) in absent])
    return revision.number


def packable(ctx: Context, request: PackageRequest) -> tuple[Revision, tuple[ImageLock, ...]]:
    """With the images of each platform.

    Raises WorkloadUnknown, NothingApplied; PackageImpossible for a version without locks: nothing of its images is in the store.
    """
    workload = ctx.ledger.workload(request.name)
    revision = workload.running if request.running else workload.staged or workload.running
    if revision is None:
        raise NothingApplied(f"{request.name} has no {'running' if request.running else 'staged or running'} version")
    name, spec = revision.workload, revision.spec
    if revision.locks is not None or not images_of(spec):
        return revision, tuple(dict.fromkeys(every_variant(revision.locks or ())))
    if not spec.method.staged:
        text = f"the images of {name} {spec.app_version} are not in the store: with deployment_type standard the cluster pulls them"
        again = command("workloads deploy", "FILE", "--staged", note="the same request; what the runtime has is not downloaded again")
        raise PackageImpossible(text, hint=again)
    raise PackageImpossible(f"the images of {name} {spec.app_version} are not in the store yet", hint=_wait(name))


def refuse_lacking(
    ctx: Context, revision: Revision, locks: tuple[ImageLock, ...], lacking_of: Callable[[ImageLock], Iterable[Descriptor]]
) -> None:
    """Raises PackageImpossible where a blob of them is not in the store, as `lacking_of` says."""
    lacking = list({blob.digest: blob for lock in locks for blob in lacking_of(lock)}.values())
    if not lacking:
        return
    name, version = revision.workload, revision.spec.app_version
    here, whole = ctx.store.progress(locks)
    text = f"the images of {name} {version} are not whole in the store: {format_bytes(here)} of {format_bytes(whole)}"
    note = "the same request; what the container runtime has is copied from there, and the rest is downloaded"
    again = command("workloads deploy", "FILE", "--staged", note=note)
    hint = again if revision.download is Download.READY else _wait(name)
    raise PackageImpossible(text, hint=hint, evidence=[f"missing: {blob.digest}" for blob in lacking[:_NAMED]])


def _wait(name: str) -> Hint:
    return command("workloads wait", "--for", "ready", names=(name,))
