-- A ledger as the fifth schema wrote it: an apply of pump and fan stands for a time, that of motor does not any more (it was deployed
-- again); valve waits for its window, gate failed; the apply of left, which is to be left as it is, was cut off.
BEGIN TRANSACTION;
CREATE TABLE appointments (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    made    TEXT NOT NULL,
    who     TEXT NOT NULL,
    forced  INTEGER NOT NULL,
    members TEXT NOT NULL,                   -- workloads and the numbers of their revisions
    note    TEXT NOT NULL DEFAULT ''         -- what keeps the agent from it
) STRICT
;
INSERT INTO "appointments" VALUES(1,'2026-11-24T02:00:00Z','2026-11-20T00:00:21.000000Z','anna',1,'[["pump", 2], ["fan", 1]]','held');
INSERT INTO "appointments" VALUES(2,'2026-11-24T03:00:00Z','2026-11-20T00:00:22.000000Z','bert',0,'[["motor", 1]]','');
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "facts" VALUES('cluster.type','docker');
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
, version TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "history" VALUES(1,'2026-11-20T00:00:01.000000Z','anna','deploy','pump',1,'accepted','','99576c9ee295a9a8fa2f225599b716ca98c112d24de0f74c54ca46188a86651a','1.0.0','');
INSERT INTO "history" VALUES(2,'2026-11-20T00:00:05.000000Z','anna','apply','pump',1,'done, not waited for','','55f544da90b7b5685d3c2ea78416b1feebffbecc8282b98386cc9a0ec0a9981f','1.0.0','sha256:1111111111111111111111111111111111111111111111111111111111111111');
INSERT INTO "history" VALUES(3,'2026-11-20T00:00:08.000000Z','anna','deploy','pump',2,'accepted','','bf4ce4816ca7e90b6ff5b310789c7aa77a95301ece0cacf82375023f7fb0e67f','2.0.0','');
INSERT INTO "history" VALUES(4,'2026-11-20T00:00:10.000000Z','anna','deploy','fan',1,'accepted','','e9f53f552857c4d574056543513a0d6ea870037889a54091bf004b9228f400d0','2.0.0','');
INSERT INTO "history" VALUES(5,'2026-11-20T00:00:13.000000Z','anna','deploy','valve',1,'accepted','','4b44df4d6c044af0eda15683a06ad186c7bfc63d17eff014f24bd041300acfce','1.0.0','');
INSERT INTO "history" VALUES(6,'2026-11-20T00:00:16.000000Z','anna','deploy','gate',1,'accepted','','bdf96314b36114a6ac83f81fd5c55b6ed2330525a0998d79e3f09b2f8fb7d537','1.0.0','');
INSERT INTO "history" VALUES(7,'2026-11-20T00:00:19.000000Z','anna','deploy','motor',1,'accepted','','8623d8350ad4203856ff865afb492f6cc935e8f32724baef98e7d3975209272c','1.0.0','');
INSERT INTO "history" VALUES(8,'2026-11-20T00:00:21.000000Z','anna','apply --at','pump',2,'accepted','2026-11-24T02:00:00Z','ec4dc4654a1787e065e7f6d5b39610f0929cb35e44ea2829b2643bb6443534ed','2.0.0','');
INSERT INTO "history" VALUES(9,'2026-11-20T00:00:21.000000Z','anna','apply --at','fan',1,'accepted','2026-11-24T02:00:00Z','48dd08e6ad096f2cf4897285caf39be0dc15911c4f1776ad1c74d4b20089f995','2.0.0','');
INSERT INTO "history" VALUES(10,'2026-11-20T00:00:22.000000Z','bert','apply --at','motor',1,'accepted','2026-11-24T03:00:00Z','db0b89e8feddaa9f5c818b43474b858372e7b583a023c455c7df6aaa46595bf5','1.0.0','');
INSERT INTO "history" VALUES(11,'2026-11-20T00:00:24.000000Z','anna','deploy','motor',2,'accepted','','e677857fb2ee4f1b5d8cbe52b1f02bb68cf19add179131095b57c6a163730238','2.0.0','');
INSERT INTO "history" VALUES(12,'2026-11-20T00:00:25.000000Z','anna','hold','fan',NULL,'done','drilling','285e864500cd4cba90a17fe296fb5b4aab3a4eaed7ded08655fefc7bbb69b332','','');
INSERT INTO "history" VALUES(13,'2026-11-20T00:00:27.000000Z','anna','deploy','left',1,'accepted','','e2d02a067701350efb57e9b97da988fd46d5dd854d09cbb6b7399e710a1f38be','1.0.0','');
CREATE TABLE holds (
    workload TEXT PRIMARY KEY REFERENCES workloads (name) ON DELETE CASCADE,
    reason   TEXT NOT NULL,
    who      TEXT NOT NULL,
    since    TEXT NOT NULL
) STRICT;
INSERT INTO "holds" VALUES('fan','drilling','anna','2026-11-20T00:00:25.000000Z');
CREATE TABLE images (name TEXT PRIMARY KEY, lock TEXT NOT NULL) STRICT  -- all that we ever put into the runtime and did not take out again
;
INSERT INTO "images" VALUES('registry.example:5000/motor-speed@sha256:1111111111111111111111111111111111111111111111111111111111111111','{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}');
CREATE TABLE operations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    phase    TEXT NOT NULL,
    steps    TEXT NOT NULL,
    started  TEXT NOT NULL,
    finished TEXT
, care TEXT NOT NULL DEFAULT 'back') STRICT;
INSERT INTO "operations" VALUES(1,'apply','finishing','[["pump", null, 1]]','2026-11-20T00:00:03.000000Z','2026-11-20T00:00:06.000000Z','blind');
INSERT INTO "operations" VALUES(2,'apply','applying','[["left", null, 1]]','2026-11-20T00:00:29.000000Z',NULL,'leave');
CREATE TABLE revisions (
    workload TEXT NOT NULL REFERENCES workloads (name) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    batch    TEXT NOT NULL,                  -- what came in one deploy
    created  TEXT NOT NULL,
    spec     TEXT NOT NULL,
    locks    TEXT,                           -- null until resolved
    objects  TEXT,                           -- null until rendered
    download TEXT NOT NULL,
    error    TEXT,
    blocked  INTEGER NOT NULL DEFAULT 0, applied INTEGER,     -- failed for good: waits for a person
    PRIMARY KEY (workload, number)
) STRICT;
INSERT INTO "revisions" VALUES('pump',1,'batch-1','2026-11-20T00:00:00.000000Z','{"schema": 1, "name": "pump", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment"}]','ready',NULL,0,1);
INSERT INTO "revisions" VALUES('pump',2,'batch-2','2026-11-20T00:00:07.000000Z','{"schema": 1, "name": "pump", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "2.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:2.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'ready',NULL,0,NULL);
INSERT INTO "revisions" VALUES('fan',1,'batch-2','2026-11-20T00:00:07.000000Z','{"schema": 1, "name": "fan", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "2.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:2.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'ready',NULL,0,NULL);
INSERT INTO "revisions" VALUES('valve',1,'batch-3','2026-11-20T00:00:12.000000Z','{"schema": 1, "name": "valve", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged+instant-apply", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'ready','waits: apply.window is 22:00-05:00: it opens at 2026-11-20 22:00',0,NULL);
INSERT INTO "revisions" VALUES('gate',1,'batch-4','2026-11-20T00:00:15.000000Z','{"schema": 1, "name": "gate", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'failed','r.io/gate:1: not found',1,NULL);
INSERT INTO "revisions" VALUES('motor',2,'batch-6','2026-11-20T00:00:23.000000Z','{"schema": 1, "name": "motor", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "2.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:2.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'pending',NULL,0,NULL);
INSERT INTO "revisions" VALUES('left',1,'batch-7','2026-11-20T00:00:26.000000Z','{"schema": 1, "name": "left", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}',NULL,NULL,'ready',NULL,0,NULL);
CREATE TABLE traffic (day TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT  -- for the day's data budget: local days, the last of them
;
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
INSERT INTO "workloads" VALUES('pump','Docs Demo',1,'2026-11-20T00:00:00.000000Z','2026-11-20T00:00:09.000000Z',2,1,2,'{"observed": "running", "warnings": [], "seen": "2026-11-20T00:01:00Z", "revision": 1, "reachable": true}');
INSERT INTO "workloads" VALUES('fan','Docs Demo',1,'2026-11-20T00:00:07.000000Z','2026-11-20T00:00:11.000000Z',1,NULL,1,NULL);
INSERT INTO "workloads" VALUES('valve','Docs Demo',1,'2026-11-20T00:00:12.000000Z','2026-11-20T00:00:14.000000Z',1,NULL,1,NULL);
INSERT INTO "workloads" VALUES('gate','Docs Demo',1,'2026-11-20T00:00:15.000000Z','2026-11-20T00:00:17.000000Z',1,NULL,1,NULL);
INSERT INTO "workloads" VALUES('motor','Docs Demo',1,'2026-11-20T00:00:18.000000Z','2026-11-20T00:00:23.000000Z',2,NULL,2,NULL);
INSERT INTO "workloads" VALUES('left','Docs Demo',1,'2026-11-20T00:00:26.000000Z','2026-11-20T00:00:28.000000Z',1,NULL,1,NULL);
CREATE INDEX unfinished ON operations (id) WHERE finished IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history',13);
INSERT INTO "sqlite_sequence" VALUES('operations',2);
INSERT INTO "sqlite_sequence" VALUES('appointments',2);
COMMIT;
PRAGMA user_version = 5;
