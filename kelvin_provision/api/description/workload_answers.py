"""Workloads as the routes of each generation answer them."""

from __future__ import annotations

from kelvin_provision.access.levels import Level
from kelvin_provision.api.description.following_answers import WORKLOAD_FOLLOWED
from kelvin_provision.api.description.schemas import (
    ANYTHING,
    COUNT,
    FLAG,
    MAPPING,
    TEXT,
    TEXTS,
    TIME,
    Schema,
    items,
    named,
    nullable,
    one_of,
    record,
)
from kelvin_provision.api.routes.listing import DownloadState
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.spec.enums import Method, State
from kelvin_provision.status import RehearsalOutcome, Verb

_PLAIN = {"state": one_of(State), "message": TEXT, "warnings": TEXTS}
_STATUS = record(**_PLAIN, last_seen=nullable(TIME))
_STAGED = {"ready": FLAG, "app_name": TEXT, "app_version": TEXT, "status": record(**_PLAIN)}
_ITEM: dict[str, Schema] = {
    "name": TEXT,
    "title": TEXT,
    "enabled": FLAG,
    "acp_name": TEXT,
    "cluster_name": TEXT,
    "node_name": nullable(TEXT),
    "app_name": TEXT,
    "app_version": TEXT,
    "pre_download": FLAG,
    "instantly_apply": FLAG,
    "created": TIME,
    "updated": TIME,
    "status": _STATUS,
    "download_status": nullable(one_of(DownloadState)),
    "download_error": nullable(TEXT),
}
ORDER = record(
    id=COUNT,
    code=TEXT,
    verb=one_of(Verb),
    names=TEXTS,
    actor=TEXT,
    at=nullable(TIME),
    asked=TIME,
    begun=nullable(TIME),
    ended=nullable(TIME),
    outcome=nullable(one_of(Outcome)),
    note=nullable(TEXT),
)
ENTRY = record(
    time=TIME,
    who=TEXT,
    action=TEXT,
    workload=TEXT,
    revision=nullable(COUNT),
    outcome=TEXT,
    detail=TEXT,
    version=TEXT,
    digest=TEXT,
    evidence=TEXTS,
)
_IMAGE = record(
    image=TEXT,
    app_version=TEXT,
    additional=FLAG,
    source=nullable(TEXT),
    size=nullable(COUNT),
    here=COUNT,
    cached=nullable(COUNT),
    taken=nullable(COUNT),
    medium=nullable(COUNT),
    fetched=nullable(COUNT),
    delta=nullable(record(bytes=COUNT, instead_of=COUNT, layers=COUNT, reasons=TEXTS)),
    doing=nullable(TEXT),
    rate=COUNT,
    seconds_left=nullable(COUNT),
    signatures=nullable(
        record(
            state=one_of(("unsigned", "keyless", "others", "not-enough", "signed", "unknown")),
            signers=items(record(name=TEXT, key=TEXT)),
            text=TEXT,
        )
    ),
)
ITEM = record(**_ITEM, staged=nullable(record(**_STAGED)))
_REHEARSAL = record(
    workload=TEXT, revision=COUNT, began=TIME, ended=TIME, actor=TEXT, outcome=one_of(RehearsalOutcome), reason=TEXT, evidence=TEXTS
)
WORKLOAD = record(
    **_ITEM,
    payload=MAPPING,
    networking=items(MAPPING),
    staged=nullable(record(**_STAGED, payload=nullable(MAPPING), instantly_apply=FLAG)),
    images=items(_IMAGE),
    orders=items(named("Order")),
    rehearsal=nullable(_REHEARSAL),
    followed=nullable(record(reference=TEXT, **WORKLOAD_FOLLOWED)),
    last_failure=nullable(named("HistoryEntry")),
)

_RUNTIME = record(configuration=MAPPING, custom_actions=items(ANYTHING), resources=items(ANYTHING))
_APP_STAGED = {"ready": FLAG, "app_version": TEXT, "deployment_type": one_of(Method), "status": record(**_PLAIN)}
_APP = {
    "name": TEXT,
    "title": TEXT,
    "app_name": TEXT,
    "app_version": TEXT,
    "app_type": one_of(("app", "importer", "exporter", "docker")),
    "cluster_name": TEXT,
    "node_name": nullable(TEXT),
    "enabled": FLAG,
    "download_status": nullable(one_of(DownloadState)),
    "download_error": nullable(TEXT),
    "status": _STATUS,
    "created_at": TIME,
    "created_by": nullable(TEXT),
    "updated_at": TIME,
    "updated_by": nullable(TEXT),
}
APP_ITEM = record(**_APP, staged=nullable(record(**_APP_STAGED)))
APP_WORKLOAD = record(
    **_APP,
    runtime=_RUNTIME,
    system=MAPPING,
    staged=nullable(record(**_APP_STAGED, runtime=_RUNTIME, system=MAPPING)),
    api_permissions=items(ANYTHING),
    service_account_status=nullable(TEXT),
)
LEADER = record(data=items(record(name=TEXT, app_name=TEXT, app_version=TEXT, status=one_of(State), running=FLAG)))
USER = record(sub=TEXT, preferred_username=TEXT, name=TEXT, level=one_of(Level))


def page(item: str) -> Schema:
    """Of a list, by cursor or by numbers."""
    by_cursor = record(next_page=nullable(TEXT), previous_page=nullable(TEXT))
    by_number = record(page=COUNT, page_size=COUNT, total_pages=COUNT, total_items=COUNT)
    return record(data=items(named(item)), pagination={"anyOf": [by_cursor, by_number]})
