"""Images as they were published, in the store: bundles and packages have no layer in the form in which a delta made it here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kelvin_provision.context import Context
from kelvin_provision.errors import BudgetTooSmall, DownloadWaits, ProvisionError, RegistryBusy, RegistryUnreachable, hinted
from kelvin_provision.hints import Hint, command
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import space
from kelvin_provision.staging.download import fetch
from kelvin_provision.staging.limits.limits import limits_of
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store.space import SpaceRequest, admit, filesystem_of, shortages

HINTS: Mapping[type[ProvisionError], Hint | str] = {
    RegistryUnreachable: "check the network, then try again: what was downloaded is kept",
    RegistryBusy: "try again in a few minutes: what was downloaded is kept",
    DownloadWaits: command("config show", instruction="try again when the limits allow a download; they are in"),
    BudgetTooSmall: "raise download.budget, or add a mirror that supports range requests, then try again",
}
"""For a command whose download no agent continues."""


@hinted(HINTS)
def bring_published(ctx: Context, locks: Sequence[ImageLock]) -> None:
    """Download each layer that is not here in the form in which it was published. Raises as `fetch`, and NoSpace with the numbers."""
    limits = limits_of(ctx.settings.download, ctx.ledger)
    with _reserved(ctx, locks):
        fetch(Transfer(ctx.source, ctx.store, ctx.progress, ctx.stop, ctx.timings.staging, limits), locks, as_published=True)


def rebuilt_layers(count: int) -> str:
    """Why a bundle, a package or a delta cannot be made of what is here."""
    if count == 1:
        return "1 layer was rebuilt from a delta, and is needed as published"
    return f"{count} layers were rebuilt from deltas, and are needed as published"


@contextmanager
def _reserved(ctx: Context, locks: Sequence[ImageLock]) -> Iterator[None]:
    """Space in the store."""
    filesystems = space.Filesystems(filesystem_of(ctx.store.root, ctx.settings.download.keep_free))
    requests = space.space_requests(locks, filesystems, present=ctx.store.packed_bytes)

    def check(others: Sequence[SpaceRequest]) -> None:
        lacking = shortages(filesystems.all(), requests, admit(filesystems.all(), others, ()))
        space.refuse_shortages("the images", lacking, hint="free some space, or keep the store elsewhere with --state-dir")

    with ctx.store.reserve(requests, check):
        yield
