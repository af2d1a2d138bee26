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
from kelvin_provision.bundles.inventories import inventory
from kelvin_provision.check_result import CheckStatus

ERROR = record(name=TEXT, title=TEXT, description=TEXT, solution=TEXT, payload=ANYTHING)
PARTLY_REFUSED = record(errors=items(ERROR, minItems=1), message=TEXT)
ERRORS = record(errors=items(ERROR, minItems=1, maxItems=1), message=TEXT)

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
USER_REMOVED = record(tokens=items(record(name=TEXT, level=one_of(Level), created=TIME, revoke=TEXT)))
_TOKEN = record(name=TEXT, level=one_of(Level), created=TIME, created_by=TEXT, expires=TIME, expired=FLAG, last_used=nullable(TIME))
TOKENS_LISTED = record(tokens=items(_TOKEN))
TOKEN_CREATED = record(token=_TOKEN, access_token=TEXT)
_NODE = record(
    name=TEXT,
    state=one_of(("here", "away", "draining")),
    cluster_node=TEXT,
    platform=TEXT,
    address=TEXT,
    key=TEXT,
    version=TEXT,
    joined=TIME,
    away_since=nullable(TIME),
    draining=FLAG,
    free=nullable(COUNT),
    images=record(complete=COUNT, failed=COUNT, total=COUNT),
    problems=TEXTS,
)
NODES = record(role=one_of(("single", "leader", "member")), leader=nullable(TEXT), nodes=items(_NODE))
NODE_TOKEN = record(token=TEXT, expires=TIME, leader=TEXT, warnings=TEXTS)
ORDERS = record(data=items(named("Order")))
ORDERED = record(order=named("Order"))
HISTORY = record({"order": named("Order")}, entries=items(named("HistoryEntry")), sealed=nullable(record(lines=COUNT, path=TEXT)))

_TASK = record(
    name=TEXT,
    verb=TEXT,
    done=COUNT,
    total=nullable(COUNT),
    rate=COUNT,
    trouble=nullable(TEXT),
    next_try=nullable(TIME),
)
_MISSING = items(record(image=TEXT, why=TEXT))
_MEMBER = record(
    {"reached": TEXT, "trouble": TEXT, "since": TEXT, "problem": TEXT, "here": COUNT, "images": COUNT, "missing": _MISSING}, leader=TEXT
)
AGENT = record(
    {"member": _MEMBER},
    agent=record(alive=FLAG, pid=nullable(COUNT), user=nullable(TEXT), since=nullable(TIME), service=FLAG, log=TEXT),
    work=nullable(record(doing=TEXT, since=TIME, updated=TIME, next_turn=nullable(TIME), tasks=items(_TASK))),
    pending=TEXTS,
    waiting=items(record(name=TEXT, cause=nullable(TEXT), next_try=nullable(TIME))),
    appointed=items(record(at=TIME, names=TEXTS, who=TEXT, note=nullable(TEXT))),
    orders=items(named("Order")),
    budget=nullable(record(day=TEXT, used=COUNT, limit=COUNT)),
    deltas=record(layers=COUNT, bytes=COUNT, instead_of=COUNT),
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

_FILESYSTEM = record(what=TEXT, path=TEXT, total=COUNT, free=COUNT, inodes=COUNT, inodes_free=COUNT, writable=FLAG)
BOX = record(
    name=TEXT,
    version=TEXT,
    time=TIME,
    cluster=record(name=TEXT, type=nullable(TEXT)),
    workloads=record(total=COUNT, staged=COUNT, states=values(COUNT)),
    agent=record(alive=FLAG),
    disk=_FILESYSTEM,
)
DISK = record(filesystems=items(_FILESYSTEM), store=record(bytes=COUNT, prunable=COUNT))
SETTINGS = record(
    settings=items(record(key=TEXT, value=TEXT, origin=TEXT, doc=TEXT)),
    files=items(record(path=TEXT, role=TEXT, exists=FLAG)),
)
_WORD = {"kind": one_of(("state", "error", "exit code")), "word": TEXT, "meaning": TEXT}
WORDS = record(words=items(record(**_WORD)))
EXPLAINED = record({"after": TEXT, "then": TEXT, "exit_code": COUNT, "temporary": FLAG, "errors": TEXTS}, **_WORD)
_USE = record(workload=TEXT, revision=COUNT, version=TEXT, slot=TEXT, additional=FLAG)
_IMAGE = record(
    reference=TEXT,
    name=TEXT,
    digest=TEXT,
    config=TEXT,
    platform=TEXT,
    variants=items(record(platform=TEXT, manifest=TEXT, config=TEXT, size=COUNT)),
    size=COUNT,
    stored=COUNT,
    in_store=FLAG,
    rebuilt=items(record(layer=TEXT, plain=TEXT, size=COUNT)),
    local=nullable(TEXT),
    in_runtime=nullable(FLAG),
    pinned=nullable(FLAG),
    used_by=items(_USE),
)
IMAGES = record(images=items(_IMAGE), orphans=TEXTS, store=record(path=TEXT, prunable=COUNT), warnings=TEXTS)
INVENTORY = record(
    schema=COUNT,
    kind={"const": inventory.MEDIA_TYPE},
    box=TEXT,
    platform=TEXT,
    made_by=TEXT,
    taken=TEXT,
    layers=items(record(digest=TEXT, size=COUNT, diff_id=TEXT, **{"in": one_of((inventory.STORE, inventory.RUNTIME))})),
    images=items(record(reference=TEXT, platform=TEXT, manifest=TEXT, config=TEXT, in_store=FLAG, in_runtime=nullable(FLAG))),
    revisions=items(record(workload=TEXT, revision=COUNT, version=TEXT, slot=one_of(inventory.SLOTS))),
    serials=items(record(signer=TEXT, serial=COUNT)),
    trust=nullable(COUNT),
    free=record(store=nullable(COUNT), runtime=nullable(COUNT)),
)
PROGRESS = record(progress=record(done=COUNT, total=nullable(COUNT)))
_CORRUPT = record(digest=TEXT, present=FLAG, images=TEXTS, uses=items(_USE), redownloaded=FLAG, loaded=FLAG)
VERIFY_LINE: Schema = {
    "anyOf": [
        PROGRESS,
        record(result=record(blobs=COUNT, bytes=COUNT, corrupt=items(_CORRUPT))),
        named("Errors"),
    ]
}
PRUNE_PLAN = record(
    revisions=items(record(name=TEXT, revision=COUNT)), images=TEXTS, store_bytes=COUNT, runtime_bytes=COUNT, warnings=TEXTS
)
VERIFIED_HISTORY = record(lines=COUNT, head=TEXT)
ORDERED_APPLY = record(order=named("Order"), warnings=TEXTS)
SCHEDULED = record(order=nullable(named("Order")), warnings=TEXTS)
CANCELLED = record(cancelled=TEXTS, unchanged=TEXTS)
