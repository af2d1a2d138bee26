"""Schemas 17 to 20: what a box follows, and the nodes of its site."""

from __future__ import annotations

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
# What had that serial, by the digest of the signed document (`digest` is that of the manifest); empty for what was taken in before.
TWENTIETH = """
ALTER TABLE following ADD COLUMN document TEXT NOT NULL DEFAULT '';
ALTER TABLE published ADD COLUMN document TEXT NOT NULL DEFAULT ''
"""
STEPS = (SEVENTEENTH, EIGHTEENTH, NINETEENTH, TWENTIETH)
