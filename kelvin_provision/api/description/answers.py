"""What the other routes answer: errors, logins, the agent, its answers, the box."""

from __future__ import annotations

from kelvin_provision.access.levels import Level
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
    values,
)
from kelvin_provision.check_result import CheckStatus

_ERROR = record(name=TEXT, title=TEXT, description=TEXT, solution=TEXT, payload=ANYTHING)
ERRORS = record(errors=items(_ERROR, minItems=1, maxItems=1), message=TEXT)

TOKENS = record(
    access_token=TEXT,
    expires_in=COUNT,
    refresh_token=TEXT,
    refresh_expires_in=COUNT,
    token_type={"const": "Bearer"},
    session_state=TEXT,
    scope=TEXT,
)
DISCOVERY = record(
    issuer=TEXT,
    token_endpoint=TEXT,
    userinfo_endpoint=TEXT,
    end_session_endpoint=TEXT,
    grant_types_supported=TEXTS,
    response_types_supported=TEXTS,
    subject_types_supported=TEXTS,
    id_token_signing_alg_values_supported=TEXTS,
    token_endpoint_auth_methods_supported=TEXTS,
)
METADATA = record(
    api=record(url=TEXT, docs=TEXT),
    authentication=record(url=TEXT, realm=TEXT, path=TEXT, logout_path=TEXT),
    docker=record(url=TEXT, port=COUNT, path=TEXT),
    documentation=record(url=TEXT),
    sdk=record(
        ksdk_minimum_version=TEXT,
        ksdk_latest_version=TEXT,
        docker_minimum_version=TEXT,
        components=MAPPING,
    ),
    schema=record(minimum_spec_version=TEXT, latest_spec_version=TEXT),
)
LOGS = record(logs=values(TEXTS))
CONFIGURATION = record(configuration=MAPPING)
_USER = record(name=TEXT, level=one_of(Level), created=TIME, changed=TIME)
USERS = record(users=items(_USER))
USER_ADDED = record(user=_USER)
_TOKEN = record(name=TEXT, level=one_of(Level), created=TIME, created_by=TEXT, expires=TIME, expired=FLAG, last_used=nullable(TIME))
TOKENS_LISTED = record(tokens=items(_TOKEN))
TOKEN_CREATED = record(token=_TOKEN, access_token=TEXT)
ORDERS = record(data=items(named("Order")))
ORDERED = record(order=named("Order"))
HISTORY = record(entries=items(named("HistoryEntry")), sealed=nullable(record(lines=COUNT, path=TEXT)))

_TASK = record(
    name=TEXT,
    verb=TEXT,
    done=COUNT,
    total=nullable(COUNT),
    rate=COUNT,
    trouble=nullable(TEXT),
    next_try=nullable(TIME),
)
AGENT = record(
    agent=record(alive=FLAG, pid=nullable(COUNT), user=nullable(TEXT), since=nullable(TIME), service=FLAG, log=TEXT),
    work=nullable(record(doing=TEXT, since=TIME, updated=TIME, next_turn=nullable(TIME), tasks=items(_TASK))),
    pending=TEXTS,
    waiting=items(record(name=TEXT, cause=nullable(TEXT), next_try=nullable(TIME))),
    appointed=items(record(at=TIME, names=TEXTS, who=TEXT, note=nullable(TEXT))),
    orders=items(named("Order")),
    budget=nullable(record(day=TEXT, used=COUNT, limit=COUNT)),
)

_FIELD = record({"old": ANYTHING, "new": ANYTHING, "lines": TEXTS, "hidden": FLAG}, path=TEXT)
_REVISION = record(app_name=TEXT, app_version=TEXT, revision=COUNT)
_PICTURE = nullable(record(reference=TEXT, digest=nullable(TEXT), size=nullable(COUNT), additional=FLAG))
_CHANGED: Schema = record(
    name=TEXT,
    old=nullable(_REVISION),
    new=_REVISION,
    changes=FLAG,
    downtime=record(expected=one_of(("none", "possible", "short")), why=TEXTS),
    images=items(record(old=_PICTURE, new=_PICTURE, new_bytes=nullable(COUNT), shared_bytes=nullable(COUNT))),
    rewritten=items(record({"old": ANYTHING, "new": ANYTHING, "lines": TEXTS, "hidden": FLAG}, path=TEXT, object=TEXT)),
    objects=items(
        record(
            op=TEXT, object=TEXT, replaces=nullable(TEXT), replaced_by=nullable(TEXT), why=TEXT, forbidden=ANYTHING, fields=items(_FIELD)
        )
    ),
    drift=items(
        record(
            {"applied": ANYTHING, "live": ANYTHING, "then": ANYTHING},
            object=TEXT,
            path=TEXT,
            stays=FLAG,
            by=nullable(TEXT),
            when=nullable(TEXT),
        )
    ),
    findings=items(record(code=TEXT, object=TEXT, message=TEXT)),
)
DIFF = record(changes=FLAG, possible=FLAG, workloads=items(_CHANGED), warnings=TEXTS)
_RESULT = {
    "id": TEXT,
    "title": TEXT,
    "status": one_of(CheckStatus),
    "workload": nullable(TEXT),
    "found": TEXT,
    "why": TEXT,
    "next": nullable(TEXT),
}
CHECK = record(counts=record(**{status.value: COUNT for status in CheckStatus}), checks=items(record(**_RESULT)))
