"""The page of container runtimes: what each one unpacks and what it calls images by, from the table that decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.media_types import COMPRESSIONS, CONFIGS, DOCUMENTS, SCHEMA_1, SUPPORT

_ABOUT = """\
Images go into the runtime that the cluster uses: containerd (k3s's own or any other), or Docker Engine with either of its image
stores. Its own store is the default of installations that began before Docker Engine 29; the containerd image store that of fresh
ones since then. `doctor` says what a box has. An image that its runtime cannot unpack is refused before anything is downloaded,
with what to do; of several entries of an index for this platform, the first one is taken that the runtime can unpack.

"""
_STORES: Mapping[Identity, tuple[str, str, str]] = {
    Identity.NAME: (
        "containerd",
        "`host/repository@sha256:...`, with the digest of the manifest or index",
        "from 1.7 on; before, the agent restores what the kubelet removed",
    ),
    Identity.CONFIG: (
        "Docker Engine, its own image store",
        "image ID: the digest of the config",
        "`docker image prune` spares it; what `prune -a` removed, the agent restores",
    ),
    Identity.ROOT: ("Docker Engine, containerd image store", "image ID: the digest of the manifest or index", "as with its own store"),
}
_REBUILT = """
An image with layers that deltas made ([ADR 0064](adr/0064-images-with-rebuilt-layers.md)) keeps its name and its config. What the name
stands for is a local manifest, which has those layers without compression; `images list --json` tells its digest (`local`), and in
containerd the labels `kelvin-provision/original` and `kelvin-provision/local` are on the name. Only Docker Engine with the containerd
image store calls such an image by another ID, that of the local manifest: its tag `kelvin-provision/pin` has the digest of the original.

Layers that the runtime has are not sent to it again, with and without deltas.
"""
_CHANGED = """
## A box that changes its image store

With `"features": {"containerd-snapshotter": true}` in `/etc/docker/daemon.json` (or `false`), Docker Engine shows neither the
images nor the containers of the other store; its volumes stay. `doctor` and `workloads check` then report an error of the check
`cluster`. `workloads start NAME` imports the images from this box's store, without a network, and creates the containers again;
or change it back and restart the engine.
"""


def page() -> Iterator[str]:
    yield _ABOUT
    yield "## Layers\n\n"
    yield f"| unpacked by | from version | {' | '.join(f'`{_short(layer)}`' for layer in COMPRESSIONS)} | layers at most |\n"
    yield f"|---|---|{'---|' * len(COMPRESSIONS)}---|\n"
    for row in SUPPORT:
        cells = ("yes" if layer in row.layers else "no" for layer in COMPRESSIONS)
        yield f"| {row.unpacker} | {'.'.join(map(str, row.since))} | {' | '.join(cells)} | {row.most} |\n"
    yield "\n`layer.v1` are OCI types (`application/vnd.oci.image.`), `rootfs.diff` Docker's (`application/vnd.docker.image.`).\n"
    yield "Docker Engine with the containerd image store has its containerd unpack, whose version counts.\n"
    yield "Encrypted and foreign layers are refused.\n"
    yield "\n## Images\n\n| runtime | what it calls an image by | pinned |\n|---|---|---|\n"
    yield from (f"| {' | '.join(_STORES[identity])} |\n" for identity in Identity)
    yield _REBUILT
    yield "\n## Manifests, indexes and configs\n\n"
    yield "".join(f"* `{media_type}`\n" for media_type in (*DOCUMENTS, *sorted(CONFIGS)))
    yield "\nAn entry of an index without a platform counts if the config of its image is for this platform. Refused: schema 1\n"
    yield f"({', '.join(f'`{media_type}`' for media_type in sorted(SCHEMA_1))}), and an index in an index.\n"
    yield _CHANGED


def _short(media_type: str) -> str:
    return media_type.rpartition("image.")[2]
