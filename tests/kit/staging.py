"""Staged revisions as far as a test needs them."""

from kelvin_provision.ledger.staging_state import ApplyFailed, Downloading, Ready, Received, Resolving, StagingFailed
from kelvin_provision.spec.enums import Download

EVENTS = {
    Download.RECEIVED: Received(),
    Download.PROCESSING: Resolving(),
    Download.DOWNLOADING: Downloading(),
    Download.READY: Ready(),
}


def reach(ledger, revision, download, failure=None, *, blocked=False):
    """Bring a revision to this download state; with a failure, it was then tried to apply it in vain."""
    if download is Download.FAILED:
        ledger.advance(revision, StagingFailed(failure or ""))
    elif download is not Download.PENDING:
        ledger.advance(revision, EVENTS[download])
    if download is not Download.FAILED and (failure is not None or blocked):
        ledger.advance(revision, ApplyFailed(failure or "", blocks=blocked))
