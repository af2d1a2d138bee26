-- A ledger as the first schema wrote it: pump runs 2, keeps 1 and has the undone 3 staged; fan's apply of 2 was cut off after its commit.
BEGIN TRANSACTION;
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
) STRICT;
INSERT INTO "history" VALUES(1,'2026-11-20T00:00:02.000000Z','anna','deploy','pump',1,'accepted','motor-speed 1.0.0, staged-only','759a27bb68b373dac82356cd747390217b891e7839ec11d14da41ce50c27be12');
INSERT INTO "history" VALUES(2,'2026-11-20T00:00:04.000000Z','anna','deploy','fan',1,'accepted','motor-speed 1.0.0, staged-only','4074ebe38266524a4e17026f8295e09c4d210548dfa16034977afe5eb5b333a1');
INSERT INTO "history" VALUES(3,'2026-11-20T00:00:08.000000Z','anna','apply','pump',1,'done','','af28a4b31e0eef13c8579a7910cbe91757d0ba20aeaa872763d33dc7c646ad28');
INSERT INTO "history" VALUES(4,'2026-11-20T00:00:09.000000Z','anna','apply','fan',1,'done','','82cf22ad9d6ff1739dd5702c08f3c6a9f8c3a8ffef9a0de88c7ba50ed19c26c0');
INSERT INTO "history" VALUES(5,'2026-11-20T00:00:13.000000Z','anna','deploy','pump',2,'accepted','motor-speed 2.0.0, staged-only','6ee7c6f2e9ffe40673b785640ed4b76e713cbbd0ad3a08cefc403190c8953cee');
INSERT INTO "history" VALUES(6,'2026-11-20T00:00:16.000000Z','anna','apply','pump',2,'done','','8ea1166f131aa6b5228a85b50a8caadcc4954cf4977fd47d5a1674c19cfc0a87');
INSERT INTO "history" VALUES(7,'2026-11-20T00:00:20.000000Z','anna','deploy','pump',3,'accepted','motor-speed 3.0.0, staged-only','91d599f17923bd40d1abef561d349d1521266c8d45ae11297b19a0e3cd073769');
INSERT INTO "history" VALUES(8,'2026-11-20T00:00:22.000000Z','anna','apply','pump',3,'undone','exit code 3','2f6d149f74f164caaf4ee69890215f7c70b6166518460f0b5c599c89a52ef60a');
INSERT INTO "history" VALUES(9,'2026-11-20T00:00:26.000000Z','anna','deploy','fan',2,'accepted','motor-speed 4.0.0, staged-only','175fb398b711a9c071d8d2839592b8405b7ac81dcd96bb9c1ff6aa514ada6c3d');
CREATE TABLE operations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    phase    TEXT NOT NULL,
    steps    TEXT NOT NULL,
    started  TEXT NOT NULL,
    finished TEXT
) STRICT;
INSERT INTO "operations" VALUES(1,'apply','finishing','[["pump", null, 1], ["fan", null, 1]]','2026-11-20T00:00:05.000000Z','2026-11-20T00:00:10.000000Z');
INSERT INTO "operations" VALUES(2,'apply','finishing','[["pump", 1, 2]]','2026-11-20T00:00:14.000000Z','2026-11-20T00:00:17.000000Z');
INSERT INTO "operations" VALUES(3,'apply','undoing','[["pump", 2, 3]]','2026-11-20T00:00:21.000000Z','2026-11-20T00:00:23.000000Z');
INSERT INTO "operations" VALUES(4,'apply','finishing','[["fan", 1, 2]]','2026-11-20T00:00:27.000000Z',NULL);
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
    blocked  INTEGER NOT NULL DEFAULT 0,     -- failed for good: waits for a person
    PRIMARY KEY (workload, number)
) STRICT;
INSERT INTO "revisions" VALUES('pump',1,'batch-1.0.0','2026-11-20T00:00:00.000000Z','{"schema": 1, "name": "pump", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment", "metadata": {"name": "pump", "annotations": {"v": "1.0.0"}}}]','ready',NULL,0);
INSERT INTO "revisions" VALUES('fan',1,'batch-1.0.0','2026-11-20T00:00:00.000000Z','{"schema": 1, "name": "fan", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "1.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:1.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment", "metadata": {"name": "fan", "annotations": {"v": "1.0.0"}}}]','ready',NULL,0);
INSERT INTO "revisions" VALUES('pump',2,'batch-2.0.0','2026-11-20T00:00:11.000000Z','{"schema": 1, "name": "pump", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "2.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:2.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment", "metadata": {"name": "pump", "annotations": {"v": "2.0.0"}}}]','ready',NULL,0);
INSERT INTO "revisions" VALUES('pump',3,'batch-3.0.0','2026-11-20T00:00:18.000000Z','{"schema": 1, "name": "pump", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "3.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:3.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment", "metadata": {"name": "pump", "annotations": {"v": "3.0.0"}}}]','ready',NULL,0);
INSERT INTO "revisions" VALUES('fan',2,'batch-4.0.0','2026-11-20T00:00:24.000000Z','{"schema": 1, "name": "fan", "title": "Docs Demo", "app_name": "motor-speed", "app_version": "4.0.0", "cluster_name": "edge", "method": "staged-only", "image": "registry.example:5000/motor-speed:4.0.0", "system": {"resources": {"cpu_request": null, "memory_request": null, "cpu_limit": null, "memory_limit": null}, "privileged": false, "environment": [], "ports": [], "volumes": [], "liveness": null, "readiness": null, "metrics": null}, "configuration": {}, "payload": {}, "manifests": [], "node_name": null, "source": null}','[{"reference": "registry.example:5000/motor-speed:1.0.0", "platform": {"os": "linux", "architecture": "amd64", "variant": ""}, "manifest": {"media_type": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 400}, "config": {"media_type": "application/vnd.oci.image.config.v1+json", "digest": "sha256:2222222222222222222222222222222222222222222222222222222222222222", "size": 300}, "layers": [{"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:3333333333333333333333333333333333333333333333333333333333333333", "size": 5000}], "diff_ids": ["sha256:4444444444444444444444444444444444444444444444444444444444444444"], "index": null}]','[{"kind": "Deployment", "metadata": {"name": "fan", "annotations": {"v": "4.0.0"}}}]','ready',NULL,0);
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
INSERT INTO "workloads" VALUES('pump','Docs Demo',1,'2026-11-20T00:00:00.000000Z','2026-11-20T00:00:19.000000Z',3,2,3,'{"observed": "running", "warnings": [], "seen": "2026-11-20T00:01:00Z", "revision": 2, "reachable": true}');
INSERT INTO "workloads" VALUES('fan','Docs Demo',1,'2026-11-20T00:00:00.000000Z','2026-11-20T00:00:28.000000Z',2,2,NULL,NULL);
CREATE INDEX unfinished ON operations (id) WHERE finished IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history',9);
INSERT INTO "sqlite_sequence" VALUES('operations',4);
PRAGMA user_version = 1;
COMMIT;
