"""The fault matrix as data: what goes wrong, where, and what comes of it. `python -m tests.real.fault_cases` writes docs/faults.md anew."""

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
    """What a fault may need: base URLs, and where tokens are given out."""

    here: str
    elsewhere: str
    nobody: str
    realm: str


@dataclass(frozen=True)
class Case:
    """`ends` is what the first turn raises, after which the fault is over; None: the image is right at once. `wire`: bytes on the wire,
    both turns together, at the most so many times what was missing.
    """

    name: str
    where: tuple[str, ...]
    faults: Faults | Callable[[World], Faults]
    ends: type[ProvisionError] | None = None
    wire: float = 1.02


CASES = (
    # --- broken lines
    Case("cut once", DOCUMENTS, Faults(cut=100, cuts=1), RegistryUnreachable),
    Case("cut once", LAYERS, Faults(cut=50_000, cuts=1)),
    Case("cut after every 50 kB", LAYERS, Faults(cut=50_000)),
    Case("cut before the first byte, always", EVERYWHERE, Faults(cut=0), RegistryUnreachable),
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
    Case("401, and no login is stored", EVERYWHERE, Faults(status=401), RegistryDenied),
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
    Case("sent on to another host", EVERYWHERE, lambda w: Faults(redirect=w.elsewhere)),
    Case("sent on to a host that is down", EVERYWHERE, lambda w: Faults(redirect=w.nobody), RegistryUnreachable),
    Case("sent on in a circle", EVERYWHERE, lambda w: Faults(redirect=w.here), RegistryRefused),
    Case("sent on to ftp", EVERYWHERE, Faults(redirect="ftp://r.example"), RegistryRefused),
    # --- other bytes
    Case("one wrong byte, once", DOCUMENTS, Faults(flip=50, flips=1)),
    Case("one wrong byte, always", DOCUMENTS, Faults(flip=50), DigestMismatch),
    Case("one wrong byte, once", (FIRST,), Faults(flip=1000, flips=1), None, 1.55),
    Case("one wrong byte, once", (RESUME,), Faults(flip=1000, flips=1), None, 1.8),
    Case("one wrong byte, always", (FIRST,), Faults(flip=1000), DigestMismatch, 2.1),
    Case("one wrong byte, always", (RESUME,), Faults(flip=1000), DigestMismatch, 2.5),
    Case("something else, with a right length", (BY_TAG,), Faults(body=b"{[", answer=NO_DIGEST), ManifestInvalid),
    Case("something else, with a right length", (BY_TAG, BY_DIGEST, CONFIG), Faults(body=b"{["), DigestMismatch),
    Case("an empty body", (BY_TAG,), Faults(body=b"", answer=NO_DIGEST), ManifestInvalid),
    Case("an empty body", (BY_DIGEST, CONFIG), Faults(body=b""), DigestMismatch),
    Case("an empty body", LAYERS, Faults(body=b""), RegistryUnreachable),
    Case("more than 4 MiB", DOCUMENTS, Faults(body=b" " * (5 << 20)), ManifestInvalid, 12.0),
    Case("the header names another digest", (BY_TAG,), Faults(answer={"Docker-Content-Digest": ZEROS}), DigestMismatch),
    Case("the header names another digest", (BY_DIGEST, CONFIG, *LAYERS), Faults(answer={"Docker-Content-Digest": ZEROS})),
    Case("the header names no digest", EVERYWHERE, Faults(answer={"Docker-Content-Digest": "sha256:../../x"})),
    Case("a login page", EVERYWHERE, Faults(status=200, body=PAGE, answer=HTML), RegistryUnreachable),
    Case("a login page without a length", EVERYWHERE, Faults(body=PAGE, coding="chunked", answer=HTML), RegistryUnreachable),
    # --- lengths and codings
    Case("fewer bytes than the length says, always the same", (FIRST,), Faults(cut=LAYER - 1000, cuts=3)),
    Case("a length that is too short", (FIRST,), Faults(answer={"Content-Length": "50000"}), RegistryUnreachable, 3.6),
    Case("ranges that are shorter than asked for", (RESUME,), Faults(most=20_000)),
    Case("no length", EVERYWHERE, Faults(coding="chunked")),
    Case("no length, and cut after every 50 kB", LAYERS, Faults(coding="chunked", cut=50_000)),
    Case("compressed on the way", DOCUMENTS, Faults(coding="gzip"), RegistryUnreachable),
    Case("compressed on the way", (FIRST,), Faults(coding="gzip"), RegistryUnreachable, 3.6),
    # --- ranges
    Case("200 in place of 206", (RESUME,), Faults(ask={"Range": ""}), None, 1.4),
    Case("200 in place of 206, and cut once", LAYERS, Faults(ask={"Range": ""}, cut=200_000, cuts=1), None, 2.0),
    Case("no Content-Range", (RESUME,), Faults(answer={"Content-Range": ""}), None, 1.8),
    Case("a Content-Range that begins elsewhere", (RESUME,), Faults(answer={"Content-Range": "bytes 5-9/*"}), None, 1.8),
    Case("a Content-Range of another size", (RESUME,), Faults(answer={"Content-Range": "bytes 131072-262143/262145"}), None, 1.8),
    Case("416 once", (RESUME,), Faults(status=416, statuses=1), None, 1.4),
    Case("416 always", EVERYWHERE, Faults(status=416), RegistryRefused),
    Case("206 though no range was asked for", (FIRST,), Faults(ask={"Range": "bytes=1000-"}), RegistryUnreachable, 3.6),
)


def outcome(case: Case) -> str:
    """In words."""
    if case.ends is None:
        return "a right image"
    then = "tried again; right when it is over" if case.ends.temporary else "refused; right after the next deploy"
    return f"`{case.ends.code}` ({case.ends.exit_code}), {then}"


def place(case: Case) -> str:
    """In words."""
    return {EVERYWHERE: "anything", LAYERS: "a layer, new or resumed", DOCUMENTS: "index, manifest, config"}.get(
        case.where, "; ".join(case.where)
    )


def page() -> str:
    """The table for people."""
    head = """# What goes wrong on the way, and what comes of it

Every line is a test (`tests/real/test_fault_matrix.py`) against a real registry behind a proxy with that fault. In each of them the image is right in the
end, every file in the store is what its name says, and no more goes over the wire than the last column says: times what was missing when it began.
Without a remark a fault lasts until the error is told. The download of a layer is tried again for 30 seconds in a turn, then others get theirs.

| fault | at | what happens | bytes on the wire |
|---|---|---|---|
"""
    lines = [f"| {case.name} | {place(case)} | {outcome(case)} | at most {case.wire:g} |" for case in CASES]
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "faults.md").write_text(page())
