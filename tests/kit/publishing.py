"""Publications for a box of the kit: made and signed in this process, put into its registry in memory."""

import json

from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, PublishedRequest, Selector, encode
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
