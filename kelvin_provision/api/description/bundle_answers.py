"""What the routes about uploads and bundles answer."""

from __future__ import annotations

from kelvin_provision.api.description.answers import ERROR, PROGRESS
from kelvin_provision.api.description.schemas import COUNT, FLAG, TEXT, TEXTS, TIME, Schema, items, named, nullable, one_of, record, values
from kelvin_provision.media.arrivals import Seen

UPLOAD = record(
    id=TEXT,
    name=TEXT,
    size=COUNT,
    sha256=nullable(TEXT),
    mark=nullable(TEXT),
    offset=COUNT,
    complete=FLAG,
    created=TIME,
    by=TEXT,
)
UPLOADS = record(uploads=items(named("Upload")), chunk=COUNT)
MEDIA = record(
    bundles=items(record(name=TEXT, folder=TEXT, size=COUNT, parts=items(COUNT), digest=nullable(TEXT), error=nullable(TEXT))),
    folders=TEXTS,
    arrived=items(
        record(
            medium=TEXT,
            place=TEXT,
            time=TIME,
            bundles=items(
                record(
                    name=TEXT, path=TEXT, digest=nullable(TEXT), signers=TEXTS, outcome=one_of(Seen), reason=nullable(TEXT), solution=TEXT
                )
            ),
        )
    ),
)
_BUNDLED_REQUEST = record(
    name=TEXT, digest=TEXT, size=COUNT, signed=FLAG, workloads=items(record(name=TEXT, version=TEXT)), error=nullable(TEXT)
)
_BUNDLED_IMAGE = record(
    reference=TEXT, platform=TEXT, size=COUNT, unpacked=COUNT, layers=COUNT, on_box=COUNT, as_deltas=COUNT, signatures=COUNT
)
_SIGNATURES = record(signers=items(record(name=TEXT, key=TEXT)), unknown=COUNT, trusted=FLAG, expected=FLAG)
_NEW_TRUST = items(record(number=COUNT, digest=TEXT, signers=TEXTS))
_TRUST = record(number=COUNT, new=_NEW_TRUST, ignored=COUNT)
BUNDLE = record(
    name=TEXT,
    serial=COUNT,
    digest=TEXT,
    made_by=TEXT,
    signatures=_SIGNATURES,
    trust=_TRUST,
    platforms=TEXTS,
    boxes=TEXTS,
    requests=items(_BUNDLED_REQUEST),
    images=items(_BUNDLED_IMAGE),
    needs=TEXTS,
    size=COUNT,
    blobs=COUNT,
    parts=items(record(number=COUNT, size=COUNT, path=nullable(TEXT))),
    annotations=values(TEXT),
    warnings=TEXTS,
    obstacle=nullable(ERROR),
    **{"import": nullable(named("ImportPlan"))},
)
_PLANNED_WORKLOAD = record(
    name=TEXT,
    app_name=TEXT,
    app_version=TEXT,
    method=TEXT,
    running=nullable(TEXT),
    staged=nullable(TEXT),
    images=TEXTS,
    elsewhere=TEXTS,
)
_PLAN: dict[str, Schema] = {
    "name": TEXT,
    "serial": COUNT,
    "digest": TEXT,
    "signatures": _SIGNATURES,
    "trust": _TRUST,
    "boxes": TEXTS,
    "files": TEXTS,
    "missing": items(COUNT),
    "workloads": items(_PLANNED_WORKLOAD),
    "images": items(record(reference=TEXT, size=COUNT, new=COUNT)),
    "new_bytes": COUNT,
    "older": nullable(record(name=TEXT, serial=COUNT)),
    "warnings": TEXTS,
}
IMPORT_PLAN = record(**_PLAN)
_ACCEPTED = record(workload=TEXT, revision=COUNT)
IMPORTED: Schema = {
    "anyOf": [record(**_PLAN, accepted=items(_ACCEPTED), kept_images=TEXTS, left=TEXTS), record(state={"const": "under way"})]
}

_ROLE = nullable(record(threshold=COUNT, keys=items(record(name=TEXT, type=TEXT, key_id=TEXT))))
_REVOKED = record(keys=TEXTS, bundles=TEXTS, images=TEXTS)
_BELIEVED = record(number=COUNT, root=_ROLE, bundles=_ROLE, requests=_ROLE, images=_ROLE, revoked=_REVOKED)
TRUST = record(
    trust={"anyOf": [_BELIEVED, record(number={"type": "null"})]},
    documents=items(record(number=COUNT, digest=TEXT, signers=TEXTS, accepted=TIME, actor=TEXT, origin=TEXT)),
)
TRUST_ACCEPTED = record(number=COUNT, new=_NEW_TRUST)

_BAD_PLACE = record(part=COUNT, path=TEXT, offset=COUNT, size=COUNT, reason=TEXT, members=TEXTS)
_BUNDLE_VERIFIED = record(
    name=TEXT,
    digest=TEXT,
    signatures=_SIGNATURES,
    chunks=record(total=COUNT, verified=COUNT, bad=COUNT),
    bytes=COUNT,
    missing=items(COUNT),
    bad=items(_BAD_PLACE),
    warnings=TEXTS,
)
VERIFY_BUNDLE_LINE: Schema = {"anyOf": [PROGRESS, record(result=_BUNDLE_VERIFIED), named("Errors")]}
