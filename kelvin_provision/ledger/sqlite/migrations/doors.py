"""Schemas 8 to 16: lists by index, orders, the API, bundles, trust, rehearsals."""

from __future__ import annotations

from kelvin_provision.ledger.sqlite.listing_tables import LISTING, LISTING_OBSERVATION

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
STEPS = (EIGHTH, NINTH, TENTH, ELEVENTH, TWELFTH, THIRTEENTH, FOURTEENTH, FIFTEENTH, SIXTEENTH)
