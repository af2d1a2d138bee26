"""The tables, and the migrations from each earlier schema."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from kelvin_provision.errors import ProvisionError, StateDamaged, StateTooNew
from kelvin_provision.ledger.sqlite.listing_tables import LISTING, LISTING_OBSERVATION

FIRST = """
CREATE TABLE workloads (
    name        TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    enabled     INTEGER NOT NULL DEFAULT 1,
    created     TEXT NOT NULL,
    updated     TEXT NOT NULL,
    latest      INTEGER NOT NULL DEFAULT 0,  -- numbers are never used twice
    running     INTEGER,
    staged      INTEGER,
    observation TEXT
) STRICT;
CREATE TABLE revisions (
    workload TEXT NOT NULL REFERENCES workloads (name) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    batch    TEXT NOT NULL,                  -- the deploy that it was part of
    created  TEXT NOT NULL,
    spec     TEXT NOT NULL,
    locks    TEXT,                           -- null until resolved
    objects  TEXT,                           -- null until rendered
    download TEXT NOT NULL,
    error    TEXT,
    blocked  INTEGER NOT NULL DEFAULT 0,     -- failed for good: waits for a person
    PRIMARY KEY (workload, number)
) STRICT;
CREATE TABLE operations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    phase    TEXT NOT NULL,
    steps    TEXT NOT NULL,
    started  TEXT NOT NULL,
    finished TEXT
) STRICT;
CREATE TABLE history (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    time     TEXT NOT NULL,
    who      TEXT NOT NULL,
    action   TEXT NOT NULL,
    workload TEXT NOT NULL,
    revision INTEGER,
    outcome  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    hash     TEXT NOT NULL                   -- of the line before and of this one
) STRICT;
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE INDEX unfinished ON operations (id) WHERE finished IS NULL;
"""
# What came up was committed by an operation that reached `finishing`; after an `undeploy`, a workload of that name starts again at none.
SECOND = """
ALTER TABLE operations ADD COLUMN care TEXT NOT NULL DEFAULT 'back';
ALTER TABLE history ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN digest TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN applied INTEGER;
UPDATE revisions SET applied = (
    SELECT max(operations.id) FROM operations, json_each(iif(json_valid(steps), steps, '[]')) AS step
    WHERE operations.phase = 'finishing' AND operations.started >= revisions.created
    AND json_extract(step.value, '$[0]') = revisions.workload AND json_extract(step.value, '$[2]') = revisions.number
);
UPDATE revisions SET applied = 0 WHERE applied IS NULL AND number = (SELECT running FROM workloads WHERE name = workload)
"""
THIRD = """
CREATE TABLE images (name TEXT PRIMARY KEY, lock TEXT NOT NULL) STRICT  -- all that we ever put into the runtime and did not take out again
"""
FOURTH = """
CREATE TABLE traffic (day TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT  -- for the day's data budget: local days, the last of them
"""
FIFTH = """
CREATE TABLE holds (
    workload TEXT PRIMARY KEY REFERENCES workloads (name) ON DELETE CASCADE,
    reason   TEXT NOT NULL,
    who      TEXT NOT NULL,
    since    TEXT NOT NULL
) STRICT;
CREATE TABLE appointments (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    made    TEXT NOT NULL,
    who     TEXT NOT NULL,
    forced  INTEGER NOT NULL,
    members TEXT NOT NULL,                   -- workloads and the numbers of their revisions
    note    TEXT NOT NULL DEFAULT ''         -- what keeps the agent from it
) STRICT
"""
# A wait that was stored as an error text is forgotten: the agent says again what it waits for, as data.
SIXTH = """
CREATE TABLE orders (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    key       TEXT NOT NULL UNIQUE,          -- idempotency key
    actor     TEXT NOT NULL,
    verb      TEXT NOT NULL,
    targets   TEXT NOT NULL,                 -- [workload, revision or null]
    arguments TEXT NOT NULL,
    at        TEXT,                          -- null: as soon as possible
    asked     TEXT NOT NULL,
    begun     TEXT,
    ended     TEXT,
    operation INTEGER,                       -- the journaled change that carries it out
    outcome   TEXT,
    note      TEXT NOT NULL DEFAULT '',
    evidence  TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX open_orders ON orders (id) WHERE ended IS NULL;
INSERT INTO orders (key, actor, verb, targets, arguments, at, asked, note)
    SELECT 'appointment-' || id, who, 'apply', members, iif(forced, '{"force": true}', '{}'), at, made, note FROM appointments ORDER BY id;
DROP TABLE appointments;
CREATE TABLE evidence (
    seq      INTEGER PRIMARY KEY,            -- of its line in history
    workload TEXT NOT NULL,
    lines    TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_of ON evidence (workload, seq);
ALTER TABLE revisions ADD COLUMN waiting TEXT;
UPDATE revisions SET error = NULL WHERE NOT blocked AND (error LIKE 'waits for %' OR error LIKE 'waits until %' OR error LIKE 'waits: %');
ALTER TABLE operations ADD COLUMN on_failure TEXT NOT NULL DEFAULT 'roll-back';
ALTER TABLE operations ADD COLUMN wait INTEGER NOT NULL DEFAULT 1;
UPDATE operations SET on_failure = iif(care = 'leave', 'keep', 'roll-back'), wait = care <> 'blind';
ALTER TABLE operations DROP COLUMN care
"""
# `image_name` is ours, see `migrate`: images that were loaded before the third schema are remembered, too.
SEVENTH = """
ALTER TABLE workloads ADD COLUMN left_by INTEGER;
UPDATE workloads SET left_by = (
    SELECT iif(operations.phase = 'left', operations.id, NULL) FROM operations, json_each(iif(json_valid(steps), steps, '[]')) AS step
    WHERE finished IS NOT NULL AND kind NOT IN ('start', 'stop') AND json_extract(step.value, '$[0]') = workloads.name
    ORDER BY operations.id DESC LIMIT 1
);
CREATE INDEX left_workloads ON workloads (name) WHERE left_by IS NOT NULL;
INSERT OR IGNORE INTO images (name, lock)
    SELECT image_name(lock.value), lock.value FROM revisions, json_each(iif(json_valid(locks), locks, '[]')) AS lock
"""
EIGHTH = """
CREATE TABLE local_names (
    name     TEXT NOT NULL,                  -- host/path:tag
    image    TEXT NOT NULL,
    lock     TEXT NOT NULL,
    required INTEGER NOT NULL,               -- 0: to be cleared
    PRIMARY KEY (name, image)
) STRICT
"""
NINTH = f"""
CREATE INDEX history_of ON history (workload, seq);
CREATE INDEX staged_workloads ON workloads (name) WHERE staged IS NOT NULL;
{LISTING}
"""
# `garbage` counts what left the ledger since images were last freed; who frees them removes the count that was read before.
_COUNT = """
    INSERT INTO facts (key, value) VALUES ('garbage', '1')
    ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT); END"""
TENTH = f"""
ALTER TABLE revisions ADD COLUMN origins TEXT;
ALTER TABLE revisions ADD COLUMN plain TEXT;
CREATE INDEX secrets ON revisions (plain);
CREATE TRIGGER other_documents AFTER UPDATE OF spec, objects ON revisions
BEGIN UPDATE revisions SET plain = NULL WHERE rowid = NEW.rowid; END;
UPDATE revisions SET origins = origin.value FROM (
    SELECT item.key AS key, item.value AS value
    FROM facts, json_each(iif(json_valid(facts.value), facts.value, '{{}}')) AS item WHERE facts.key = 'origins'
) AS origin WHERE origin.key = batch || '/' || workload;
DELETE FROM facts WHERE key = 'origins';
CREATE INDEX incomplete ON revisions (created, workload) WHERE locks IS NOT NULL AND download <> 'ready';
CREATE INDEX unready ON revisions (batch) WHERE download <> 'ready' AND blocked = 0;
INSERT OR REPLACE INTO facts (key, value) SELECT 'garbage', '1' WHERE EXISTS (SELECT 1 FROM revisions);
CREATE TRIGGER garbage_of_revision AFTER DELETE ON revisions BEGIN {_COUNT};
CREATE TRIGGER garbage_of_locks AFTER UPDATE OF locks ON revisions WHEN OLD.locks IS NOT NULL BEGIN {_COUNT};
DROP TRIGGER listing_observation;
{LISTING_OBSERVATION}
"""  # noqa: S608  (constants)
ELEVENTH = """
CREATE TABLE bundles (
    digest   TEXT PRIMARY KEY,               -- of its table of contents, which is kept as a file
    name     TEXT NOT NULL,
    serial   INTEGER NOT NULL,
    signers  TEXT NOT NULL,                  -- names of keys; none for a bundle that was not signed
    imported TEXT NOT NULL,
    actor    TEXT NOT NULL,
    images   TEXT                            -- locks of images that are kept without a revision, until images prune
) STRICT;
CREATE TABLE media (
    bundle     TEXT NOT NULL REFERENCES bundles (digest) ON DELETE CASCADE,
    place      TEXT NOT NULL,                -- the file, or one of its parts, as it was found
    filesystem TEXT NOT NULL,                -- UUID; empty where it is not known
    path       TEXT NOT NULL,                -- of the place, from the root of its filesystem
    PRIMARY KEY (bundle, place)
) STRICT;
ALTER TABLE revisions ADD COLUMN bundle TEXT
"""
# A signer was kept as `name (first 12 digits of the key's id)`.
TWELFTH = """
CREATE TABLE serials (
    signer TEXT PRIMARY KEY,                 -- id of a key, or its first 12 digits; name:NAME for unsigned bundles
    serial INTEGER NOT NULL,                 -- the highest that was imported, also when the bundle is forgotten
    digest TEXT NOT NULL,                    -- of the bundle that had it
    name   TEXT NOT NULL
) STRICT;
INSERT OR REPLACE INTO serials (signer, serial, digest, name)
    SELECT substr(signer.value, -13, 12), serial, digest, name
    FROM bundles, json_each(iif(json_valid(signers), signers, '[]')) AS signer
    WHERE serial > 0 AND signer.value GLOB '* ([0-9a-f]*)' ORDER BY serial;
INSERT OR REPLACE INTO serials (signer, serial, digest, name)
    SELECT 'name:' || name, serial, digest, name FROM bundles WHERE serial > 0 AND signers = '[]' ORDER BY serial
"""
# The newest rehearsal of a workload. It ends with the revision that it was made for.
THIRTEENTH = """
CREATE TABLE rehearsals (
    workload TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    began    TEXT NOT NULL,
    ended    TEXT NOT NULL,
    actor    TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    reason   TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '[]',
    FOREIGN KEY (workload, revision) REFERENCES revisions (workload, number) ON DELETE CASCADE
) STRICT
"""
# The document itself and its signatures are files, written before the row.
FOURTEENTH = """
CREATE TABLE trust (
    number   INTEGER PRIMARY KEY,            -- the highest is what this box believes
    digest   TEXT NOT NULL,
    signers  TEXT NOT NULL,
    accepted TEXT NOT NULL,
    actor    TEXT NOT NULL,
    origin   TEXT NOT NULL                   -- a bundle, or files
) STRICT
"""
FIFTEENTH = """
CREATE TABLE signatures (
    manifest TEXT NOT NULL,
    source   TEXT NOT NULL,                  -- the index that it was selected from, or the manifest itself
    verdict  TEXT NOT NULL,                  -- who signed the image, of which keys
    PRIMARY KEY (manifest, source)
) STRICT
"""
# Who signed a request stood in the history only, of several the last one; a bundle's row had names with the first digits of ids.
_BUNDLE_SIGNERS = (
    "(SELECT json_group_array(substr(signer.value, -13, 12)) FROM bundles, json_each(signers) AS signer WHERE digest = bundle)"
)
_REQUEST_SIGNERS = """(SELECT json_array(substr(detail, -86, 12)) FROM history WHERE history.workload = revisions.workload
    AND history.revision = number AND outcome = 'accepted' AND detail GLOB '*signed by * (????????????), sha256:*'
    ORDER BY seq DESC LIMIT 1)"""
SIXTEENTH = f"""
ALTER TABLE revisions ADD COLUMN signers TEXT;
ALTER TABLE bundles ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
UPDATE revisions SET signers = json_object('request', json('[]'), 'bundle', json({_BUNDLE_SIGNERS}))
    WHERE bundle IN (SELECT digest FROM bundles WHERE json_valid(signers) AND signers <> '[]');
UPDATE revisions SET signers = json_set(coalesce(signers, '{{"request":[],"bundle":[]}}'), '$.request', json({_REQUEST_SIGNERS}))
    WHERE {_REQUEST_SIGNERS} IS NOT NULL
"""  # noqa: S608  (constants)
# `digest` is that of the manifest that was taken in last. `serials` of publications are apart from those of bundles: another series.
SEVENTEENTH = """
CREATE TABLE following (
    reference TEXT PRIMARY KEY,              -- as in the setting follow.publications
    digest    TEXT NOT NULL DEFAULT '',
    serial    INTEGER NOT NULL DEFAULT 0,
    signers   TEXT NOT NULL DEFAULT '[]',
    created   TEXT NOT NULL DEFAULT '',      -- by the clock of the publisher, for people
    taken     TEXT,
    failed    TEXT,                          -- since when this error
    error     TEXT                           -- its code, message and hint
) STRICT;
CREATE TABLE published (
    reference TEXT NOT NULL,
    signer    TEXT NOT NULL,                 -- id of a key
    serial    INTEGER NOT NULL,              -- the highest that was taken in
    PRIMARY KEY (reference, signer)
) STRICT;
CREATE TABLE followed (
    workload  TEXT PRIMARY KEY,
    reference TEXT NOT NULL,
    digest    TEXT NOT NULL,                 -- of the request that was meant for this box last
    serial    INTEGER NOT NULL,              -- of the publication that had it first
    withdrawn INTEGER                        -- the serial of the publication that withdrew it
) STRICT;
CREATE TABLE brought (
    workload  TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    digest    TEXT NOT NULL,                 -- of the request that it was accepted from
    PRIMARY KEY (workload, revision),
    FOREIGN KEY (workload, revision) REFERENCES revisions (workload, number) ON DELETE CASCADE
) STRICT
"""
# Members of this leader. A box that has none never writes here.
EIGHTEENTH = """
CREATE TABLE nodes (
    name         TEXT PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,       -- SHA-256 of its public key
    next_key     TEXT UNIQUE,                -- of a certificate that was given, and not used yet
    address      TEXT NOT NULL,              -- where it serves blobs; empty where it serves none
    platform     TEXT NOT NULL,
    cluster_node TEXT NOT NULL,              -- its name in the cluster
    version      TEXT NOT NULL,              -- of its agent
    joined       TEXT NOT NULL,
    seen         TEXT NOT NULL,
    away         TEXT,                       -- since when it is silent
    draining     INTEGER NOT NULL DEFAULT 0,
    free         INTEGER,                    -- bytes of its store's filesystem; null: not known
    problems     TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE TABLE node_tokens (
    hash    TEXT PRIMARY KEY,                -- SHA-256 of the secret
    made    TEXT NOT NULL,
    expires TEXT NOT NULL,
    actor   TEXT NOT NULL,
    used    TEXT,
    node    TEXT                             -- who used it
) STRICT;
CREATE TABLE node_images (
    node  TEXT NOT NULL REFERENCES nodes (name) ON DELETE CASCADE,
    image TEXT NOT NULL,                     -- as in the table images
    state TEXT NOT NULL,
    why   TEXT NOT NULL DEFAULT '',
    since TEXT NOT NULL,                     -- of this state
    bytes INTEGER NOT NULL DEFAULT 0,        -- of it that are there
    PRIMARY KEY (node, image)
) STRICT;
CREATE INDEX nodes_of_image ON node_images (image)
"""
# On which nodes of the cluster the images of a revision are needed. A box that has no members never writes here.
NINETEENTH = """
CREATE TABLE places (
    workload TEXT NOT NULL,
    revision INTEGER NOT NULL,
    node     TEXT NOT NULL,                  -- its name in the cluster
    image    TEXT NOT NULL,                  -- as in the table images
    mark     TEXT NOT NULL,                  -- label of the nodes that have all images of this mark; empty where no pod is kept to it
    PRIMARY KEY (workload, revision, node, image, mark),
    FOREIGN KEY (workload, revision) REFERENCES revisions (workload, number) ON DELETE CASCADE
) STRICT;
CREATE INDEX places_of_node ON places (node, image)
"""
_LATER = (EIGHTH, NINTH, TENTH, ELEVENTH, TWELFTH, THIRTEENTH, FOURTEENTH, FIFTEENTH, SIXTEENTH, SEVENTEENTH, EIGHTEENTH, NINETEENTH)
MIGRATIONS: tuple[str, ...] = (FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, *_LATER)
"""Entry N leads from schema N to N + 1; an empty file is schema 0."""
SCHEMA = len(MIGRATIONS)


def _image_name(lock: str) -> str | None:
    """None, which is ignored, for a damaged lock."""
    from kelvin_provision.spec.lock import ImageLock

    try:
        return ImageLock.from_json(json.loads(lock)).name
    except (ValueError, TypeError, KeyError, AttributeError, ProvisionError):
        return None


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the ledger to this program's schema in one transaction a step; raises StateTooNew, StateDamaged."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        raise StateTooNew(f"{path} has schema {version}, this program reads up to {SCHEMA}")
    if version < 0:
        raise StateDamaged(f"{path} has schema {version}, which does not exist")
    if version < SCHEMA:
        connection.create_function("image_name", 1, _image_name, deterministic=True)
    while version < SCHEMA:
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
        if version < SCHEMA:
            for statement in MIGRATIONS[version].split(";\n"):
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
