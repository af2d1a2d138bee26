"""A client that uploads: the routes of `/edge/v1/uploads`, one chunk after another."""

import hashlib

from kelvin_provision.access.levels import Level

UPLOADS = "/edge/v1/uploads"


def announce(client, data, name="line-3.kpb", *, hashed=False, **more):
    """The document of the upload."""
    body = {"name": name, "size": len(data), **({"sha256": hashlib.sha256(data).hexdigest()} if hashed else {}), **more}
    answer = client.post(UPLOADS, body, Level.DEPLOY)
    assert answer.status in {200, 201}, answer.body
    return answer.json


def put(client, identifier, offset, data, **more):
    headers = {"Upload-Offset": str(offset), **more}
    return client.ask("PUT", f"{UPLOADS}/{identifier}", token=client.as_level(Level.DEPLOY), body=data, headers=headers)


def send(client, identifier, data, size=1 << 20):
    """All of it, in chunks of this size, from where the upload ends."""
    offset = client.get(f"{UPLOADS}/{identifier}", Level.DEPLOY).json["offset"]
    while offset < len(data):
        answer = put(client, identifier, offset, data[offset : offset + size])
        assert answer.status == 204, answer.body
        offset = int(answer.headers["upload-offset"])


def uploaded(client, data, **more):
    """The identifier of an upload that is complete."""
    identifier = announce(client, data, **more)["id"]
    send(client, identifier, data)
    return identifier
