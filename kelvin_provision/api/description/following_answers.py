"""What the routes about publications answer."""

from __future__ import annotations

from kelvin_provision.api.description.answers import ERROR
from kelvin_provision.api.description.schemas import COUNT, FLAG, TEXT, TEXTS, TIME, items, nullable, one_of, record
from kelvin_provision.following.overview import Stage
from kelvin_provision.settings.model import APPLY_FOLLOWED

_TROUBLE = record(since=TIME, code=TEXT, message=TEXT)
WORKLOAD_FOLLOWED = {
    "name": TEXT,
    "state": one_of(Stage),
    "request": TEXT,
    "serial": COUNT,
    "running": nullable(TEXT),
    "staged": nullable(TEXT),
    "withdrawn": nullable(COUNT),
}
_WORKLOAD = record(**WORKLOAD_FOLLOWED)
_PUBLICATION = record(
    reference=TEXT,
    serial=COUNT,
    digest=nullable(TEXT),
    document=nullable(TEXT),
    signers=TEXTS,
    published=nullable(TIME),
    taken=nullable(TIME),
    looked=nullable(TIME),
    error=nullable(_TROUBLE),
    workloads=items(_WORKLOAD),
)
FOLLOWING = record(
    box=record(name=TEXT, labels=TEXTS, key=nullable(TEXT), pem=nullable(TEXT)),
    apply=one_of(APPLY_FOLLOWED),
    interval=COUNT,
    prune=FLAG,
    report=nullable(record(repository=TEXT, sent=nullable(TIME), error=nullable(_TROUBLE))),
    publications=items(_PUBLICATION),
)
REPORT_SENT = record(repository=TEXT, tag=TEXT, digest=TEXT)
FOLLOWED = record(
    publications=items(
        record(
            reference=TEXT,
            serial=COUNT,
            signers=TEXTS,
            staged=items(record(workload=TEXT, revision=COUNT)),
            dropped=TEXTS,
            withdrawn=TEXTS,
            pruned=TEXTS,
            warnings=TEXTS,
            error=nullable(ERROR),
        )
    )
)
