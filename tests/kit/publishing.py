"""Publications for a box of the kit: made and signed in this process, put into its registry in memory."""

import json

from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, Selector, encode
from kelvin_provision.publications.report import Followed, Report, ReportedRevision, ReportedWorkload
from kelvin_provision.refs import Platform
from tests.kit.images import random_image, sha256
from tests.kit.requests import platform_request
from tests.kit.signing import signatures

CREATED = "2026-11-28T10:00:00Z"
EVERY_BOX = Selector()


def request(name, version="1.0.0", **more):
    """The exact bytes of a deploy body."""
    return json.dumps(platform_request(name, version, **more)).encode()


def entry(content, *, selector=EVERY_BOX, rollout=100):
    return PublishedRequest(json.loads(content)["name"], sha256(content), len(content), selector, rollout)


def made(pair, serial, *contents, withdrawn=(), entries=None, signed=None):
    """The artifact, and every blob by digest."""
    publication = Publication(serial, CREATED, tuple(entries or map(entry, contents)), tuple(withdrawn))
    document = encode(publication)
    one = artifact.make(
        PAYLOAD_TYPE, document, signed or signatures(pair, document, PAYLOAD_TYPE), map(artifact.request_descriptor, contents)
    )
    blobs = {descriptor.digest: data for descriptor, data in one.blobs}
    return one, blobs | {sha256(content): content for content in contents}


def publish(box, reference, pair, serial, *contents, **more):
    """Into the registry of the box; the images of the requests are there, too."""
    one, blobs = made(pair, serial, *contents, **more)
    box.source.artifacts |= blobs | {one.digest: one.manifest}
    box.source.tags[reference] = one.digest
    for content in contents:
        body = json.loads(content)
        box.source.images.setdefault(f"r.io/{body['app_name']}:{body['app_version']}", random_image([3000]))
    return one.digest


# --- values with every field --------------------------------------------------------------------------


def digest(number):
    return f"sha256:{number:064x}"


def whole_publication():
    selector = Selector(
        boxes=("north", "line3-*"),
        labels=(("site", ("a", "b")), ("example.com/ring", ("1",))),
        clusters=("docker",),
        platforms=(Platform("linux", "arm64"),),
    )
    requests = (
        PublishedRequest("pump", digest(1), 300, selector, 10),
        PublishedRequest("pump", digest(2), 200),
        PublishedRequest("fan", digest(3), 1),
    )
    return Publication(7, "2026-11-28T10:00:00Z", requests, ("old",), digest(4))


def whole_report():
    following = (Followed("r.io/fleet:stable", 7, digest(1)), Followed("r.io/fleet:beta", error="the registry r.io does not answer"))
    workloads = (
        ReportedWorkload("pump", "running", ReportedRevision("1", digest(1)), ReportedRevision("2")),
        ReportedWorkload("fan", "failed", error="no image"),
    )
    return Report(
        "north", "2026-11-28T10:00:00Z", "1.0", Platform("linux", "arm64", "v8"), "docker", (("site", "a"),), following, workloads, 87_000
    )


def made_artifact(document=b"{}", requests=()):
    return artifact.make(PAYLOAD_TYPE, document, b"[]\n", requests)
