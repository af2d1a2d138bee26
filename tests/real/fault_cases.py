"""The fault matrix as data: what fails, where, and with which result. `python -m tests.real.fault_cases` writes docs/faults.md anew."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ManifestInvalid,
    ProvisionError,
    RegistryBusy,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
)
from tests.kit.servers.proxy import Faults

KIB = 1 << 10
LAYER = 256 * KIB
"""Bytes of each of two layers, nearly; half of the first is there already where a case is about resuming."""
PAGE = b"<html>Welcome to the harbour wifi</html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}
ZEROS = "sha256:" + "0" * 64
NO_DIGEST = {"Docker-Content-Digest": ""}

BY_TAG, BY_DIGEST, CONFIG = "index or manifest by tag", "manifest by digest", "config"
FIRST, RESUME = "layer, from its first byte", "layer, resumed"
DOCUMENTS, LAYERS = (BY_TAG, BY_DIGEST, CONFIG), (FIRST, RESUME)
EVERYWHERE = DOCUMENTS + LAYERS


@dataclass(frozen=True)
class World:
    """What a fault may need: base URLs, and the URL of the token service."""

    here: str
    elsewhere: str
    nobody: str
    realm: str


@dataclass(frozen=True)
class Case:
    """`ends` is what the first turn raises, after which the fault is gone; None: the image is complete at once.

    `wire` is the limit of the bytes transferred, in both turns together, as a multiple of what was missing.
    """

    name: str
    where: tuple[str, ...]
    faults: Faults | Callable[[World], Faults]
    ends: type[ProvisionError] | None = None
    wire: float = 1.02


CASES = (
    # --- connections
    Case("connection closed once", DOCUMENTS, Faults(cut=100, cuts=1), RegistryUnreachable),
    Case("connection closed once", LAYERS, Faults(cut=50_000, cuts=1)),
    Case("connection closed after every 50 kB", LAYERS, Faults(cut=50_000)),
    Case("connection closed before the first byte, always", EVERYWHERE, Faults(cut=0), RegistryUnreachable),
    Case("reset in the middle of a body, once", LAYERS, Faults(cut=100_000, cuts=1, reset=True), None, 1.4),
    Case("reset in the middle of the headers, once", DOCUMENTS, Faults(head="reset", heads=1), RegistryUnreachable),
    Case("reset in the middle of the headers, once", LAYERS, Faults(head="reset", heads=1)),
    Case("reset in the middle of the headers, always", EVERYWHERE, Faults(head="reset"), RegistryUnreachable),
    Case("headers line by line", EVERYWHERE, Faults(head="slow")),
    Case("no headers, once", LAYERS, Faults(head="never", heads=1)),
    Case("no headers, always", EVERYWHERE, Faults(head="never"), RegistryUnreachable),
    Case("stalls after 50 kB, once", LAYERS, Faults(stall=50_000, stalls=1)),
    Case("stalls before the first byte, always", EVERYWHERE, Faults(stall=0), RegistryUnreachable),
    Case("slow: 1 MiB a second", LAYERS, Faults(rate=float(1 << 20))),
    Case("headers a byte at a time", (BY_TAG, FIRST), Faults(head="drip"), RegistryUnreachable),
    Case("a body a byte at a time", (BY_TAG, FIRST), Faults(drip=0.1), RegistryUnreachable),
    # --- busy
    Case("429 once, no Retry-After", DOCUMENTS, Faults(status=429, statuses=1), RegistryBusy),
    Case("429 once, no Retry-After", LAYERS, Faults(status=429, statuses=1)),
    Case("429, Retry-After in seconds", EVERYWHERE, Faults(status=429, answer={"Retry-After": "7"}), RegistryBusy),
    Case(
        "429, Retry-After as a date", EVERYWHERE, Faults(status=429, answer={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}), RegistryBusy
    ),
    Case("500 once", LAYERS, Faults(status=500, statuses=1)),
    Case("503 always", EVERYWHERE, Faults(status=503), RegistryBusy),
    # --- refusals
    Case("401, and no credentials are stored", EVERYWHERE, Faults(status=401), RegistryDenied),
    Case("400 without a challenge, and no token was sent", EVERYWHERE, Faults(status=400), RegistryRefused),
    Case("403", EVERYWHERE, Faults(status=403), RegistryDenied),
    Case("404", EVERYWHERE, Faults(status=404), ImageNotFound),
    Case("304", EVERYWHERE, Faults(status=304, body=b""), RegistryRefused),
    Case("204", LAYERS, Faults(status=204, body=b""), RegistryUnreachable),
    # --- tokens
    Case("the token has expired: 401", LAYERS, lambda w: Faults(bearer="second-token", realm=w.realm)),
    Case("the token has expired: 400", LAYERS, lambda w: Faults(bearer="second-token", realm=w.realm, expired=400)),
    Case(
        "the token has expired: 400 without a challenge",
        LAYERS,
        lambda w: Faults(bearer="second-token", realm=w.realm, expired=400, challenge=False),
    ),
    # --- redirects
    Case("redirect to another host", EVERYWHERE, lambda w: Faults(redirect=w.elsewhere)),
    Case("redirect to a host that is down", EVERYWHERE, lambda w: Faults(redirect=w.nobody), RegistryUnreachable),
    Case("redirect loop", EVERYWHERE, lambda w: Faults(redirect=w.here), RegistryRefused),
    Case("redirect to ftp", EVERYWHERE, Faults(redirect="ftp://r.example"), RegistryRefused),
    # --- other content
    Case("one corrupt byte, once", DOCUMENTS, Faults(flip=50, flips=1)),
    Case("one corrupt byte, always", DOCUMENTS, Faults(flip=50), DigestMismatch),
    Case("one corrupt byte, once", (FIRST,), Faults(flip=1000, flips=1), None, 1.55),
    Case("one corrupt byte, once", (RESUME,), Faults(flip=1000, flips=1), None, 1.8),
    Case("one corrupt byte, always", (FIRST,), Faults(flip=1000), DigestMismatch, 2.1),
    Case("one corrupt byte, always", (RESUME,), Faults(flip=1000), DigestMismatch, 2.5),
    Case("other content of the same length", (BY_TAG,), Faults(body=b"{[", answer=NO_DIGEST), ManifestInvalid),
    Case("other content of the same length", (BY_TAG, BY_DIGEST, CONFIG), Faults(body=b"{["), DigestMismatch),
    Case("an empty body", (BY_TAG,), Faults(body=b"", answer=NO_DIGEST), ManifestInvalid),
    Case("an empty body", (BY_DIGEST, CONFIG), Faults(body=b""), DigestMismatch),
    Case("an empty body", LAYERS, Faults(body=b""), RegistryUnreachable),
    Case("more than 4 MiB", DOCUMENTS, Faults(body=b" " * (5 << 20)), ManifestInvalid, 12.0),
    Case("Docker-Content-Digest has another digest", (BY_TAG,), Faults(answer={"Docker-Content-Digest": ZEROS}), DigestMismatch),
    Case("Docker-Content-Digest has another digest", (BY_DIGEST, CONFIG, *LAYERS), Faults(answer={"Docker-Content-Digest": ZEROS})),
    Case("Docker-Content-Digest is not a digest", EVERYWHERE, Faults(answer={"Docker-Content-Digest": "sha256:../../x"})),
    Case("a login page", EVERYWHERE, Faults(status=200, body=PAGE, answer=HTML), RegistryUnreachable),
    Case("a login page without Content-Length", EVERYWHERE, Faults(body=PAGE, coding="chunked", answer=HTML), RegistryUnreachable),
    # --- lengths and encodings
    Case("fewer bytes than Content-Length, always the same number", (FIRST,), Faults(cut=LAYER - 1000, cuts=3)),
    Case("a Content-Length that is too small", (FIRST,), Faults(answer={"Content-Length": "50000"}), RegistryUnreachable, 3.6),
    Case("ranges shorter than requested", (RESUME,), Faults(most=20_000)),
    Case("no Content-Length", EVERYWHERE, Faults(coding="chunked")),
    Case("no Content-Length, and closed after every 50 kB", LAYERS, Faults(coding="chunked", cut=50_000)),
    Case("compressed by a proxy", DOCUMENTS, Faults(coding="gzip"), RegistryUnreachable),
    Case("compressed by a proxy", (FIRST,), Faults(coding="gzip"), RegistryUnreachable, 3.6),
    # --- ranges
    Case("200 in place of 206", (RESUME,), Faults(ask={"Range": ""}), None, 1.4),
    Case("200 in place of 206, and closed once", LAYERS, Faults(ask={"Range": ""}, cut=200_000, cuts=1), None, 2.0),
    Case("no Content-Range", (RESUME,), Faults(answer={"Content-Range": ""}), None, 1.8),
    Case("a Content-Range with another start", (RESUME,), Faults(answer={"Content-Range": "bytes 5-9/*"}), None, 1.8),
    Case("a Content-Range with another size", (RESUME,), Faults(answer={"Content-Range": "bytes 131072-262143/262145"}), None, 1.8),
    Case("416 once", (RESUME,), Faults(status=416, statuses=1), None, 1.4),
    Case("416 always", EVERYWHERE, Faults(status=416), RegistryRefused),
    Case("206 without a range request", (FIRST,), Faults(ask={"Range": "bytes=1000-"}), RegistryUnreachable, 3.6),
)


def outcome(case: Case) -> str:
    if case.ends is None:
        return "complete image"
    then = "retried; complete once the fault is gone" if case.ends.temporary else "rejected; complete after the next deploy"
    return f"`{case.ends.code}` ({case.ends.exit_code}), {then}"


def place(case: Case) -> str:
    return {EVERYWHERE: "anything", LAYERS: "a layer, new or resumed", DOCUMENTS: "index, manifest, config"}.get(
        case.where, "; ".join(case.where)
    )


def page() -> str:
    head = """# Network faults and what happens

Each row is a test (`tests/real/test_fault_matrix.py`) against a real registry behind a proxy with that fault. In every one of them the image is complete in
the end, every file in the store matches its digest, and the bytes transferred stay below the last column, as a multiple of what was missing at the start.
Unless stated otherwise, a fault lasts until the error is reported. The download of a layer is retried for 30 seconds, then other workloads get their turn.

| fault | request | result | bytes transferred |
|---|---|---|---|
"""
    lines = [f"| {case.name} | {place(case)} | {outcome(case)} | at most {case.wire:g} |" for case in CASES]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "faults.md").write_text(page())
