"""Schemas 1 to 7: workloads, revisions, operations, history, images."""

from __future__ import annotations

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
STEPS = (FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH)
