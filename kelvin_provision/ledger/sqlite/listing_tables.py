"""The table that lists are filtered, sorted and paged by, and the triggers that keep it.

A row has what a filter or an order compares, and `situation`: what the state of its workload is derived from, without what is under way or
ordered. States themselves are never stored. View 0 shows what runs, else what is staged; view 1 shows staged versions.

Triggers use built-in functions only, so that every tool can write this file, and take any value: a damaged row must not keep a
workload from being repaired or removed.
"""

from __future__ import annotations

_RUNNING = "revisions AS running ON running.workload = workloads.name AND running.number = workloads.running"
_STAGED = "revisions AS staged ON staged.workload = workloads.name AND staged.number = workloads.staged"


def _of(document: str, key: str) -> str:
    return f"iif(json_valid({document}), json_extract({document}, '$.{key}'), NULL)"


def _columns(spec: str) -> str:
    """`node` sorts after all others where there is none. Text is compared without regard to the case of ASCII letters."""
    node = _of(spec, "node_name")
    parts = [
        "workloads.running IS NOT NULL",
        _of("workloads.observation", "observed"),
        _of("workloads.observation", "reachable"),
        _of("staged.spec", "method"),
        "staged.download",
        "staged.blocked",
        _of("staged.waiting", "kind"),
    ]
    columns = {
        "name": "workloads.name",
        "title": "lower(coalesce(workloads.title, ''))",
        "cluster": f"lower(coalesce({_of(spec, 'cluster_name')}, ''))",
        "node": f"iif({node} IS NULL, '1', '0' || lower({node}))",
        "enabled": "coalesce(workloads.enabled, 0)",
        "created": "coalesce(workloads.created, '')",
        "updated": "coalesce(workloads.updated, '')",
        "app_name": _of(spec, "app_name"),
        "app_version": _of(spec, "app_version"),
        "cluster_name": _of(spec, "cluster_name"),
        "node_name": node,
        "situation": " || '/' || ".join(f"coalesce({part}, '')" for part in parts),
    }
    return ", ".join(f"{value} AS {name}" for name, value in columns.items())


_COPY = "INSERT OR REPLACE INTO listing SELECT * FROM listed WHERE name = NEW.name"
_DROP = "DELETE FROM listing WHERE view IN (0, 1) AND name = OLD.name"


def _situation(name: str) -> str:
    """Write the situation where it has changed: an observation is confirmed every minute, and flash wears out."""
    now = f"(SELECT situation FROM listed WHERE listed.view = listing.view AND listed.name = {name})"  # noqa: S608  (constants)
    return f"UPDATE listing SET situation = {now} WHERE view IN (0, 1) AND name = {name} AND situation IS NOT {now}"  # noqa: S608  (constants)


def _seen(row: str) -> str:
    return f"iif(json_valid({row}.observation), json_extract({row}.observation, '$.observed', '$.reachable'), '')"


LISTING_OBSERVATION = f"""
CREATE TRIGGER listing_observation AFTER UPDATE OF observation ON workloads WHEN {_seen("NEW")} IS NOT {_seen("OLD")}
BEGIN {_situation("NEW.name")}; END
"""
"""An observation is confirmed every minute, mostly with nothing but another time."""
LISTING = f"""
CREATE VIEW listed AS
    SELECT 0 AS view, {_columns("coalesce(running.spec, staged.spec)")} FROM workloads LEFT JOIN {_RUNNING} LEFT JOIN {_STAGED}
    UNION ALL
    SELECT 1 AS view, {_columns("staged.spec")} FROM workloads JOIN {_STAGED} WHERE {_of("staged.spec", "method")} <> 'standard';
CREATE TABLE listing (
    view, name, title, cluster, node, enabled, created, updated, app_name, app_version, cluster_name, node_name, situation,
    PRIMARY KEY (view, name)
) WITHOUT ROWID;
CREATE INDEX listing_title ON listing (view, title);
CREATE INDEX listing_cluster ON listing (view, cluster);
CREATE INDEX listing_node ON listing (view, node);
CREATE INDEX listing_enabled ON listing (view, enabled);
CREATE INDEX listing_created ON listing (view, created);
CREATE INDEX listing_updated ON listing (view, updated);
CREATE INDEX listing_app ON listing (view, app_name);
CREATE INDEX listing_situation ON listing (view, situation);
CREATE TRIGGER listing_insert AFTER INSERT ON workloads BEGIN {_COPY}; END;
CREATE TRIGGER listing_update AFTER UPDATE OF name, title, enabled, created, running, staged ON workloads BEGIN {_DROP}; {_COPY}; END;
CREATE TRIGGER listing_updated AFTER UPDATE OF updated ON workloads BEGIN
    UPDATE listing SET updated = coalesce(NEW.updated, '') WHERE view IN (0, 1) AND name = NEW.name AND updated IS NOT NEW.updated; END;
CREATE TRIGGER listing_observation AFTER UPDATE OF observation ON workloads BEGIN {_situation("NEW.name")}; END;
CREATE TRIGGER listing_delete AFTER DELETE ON workloads BEGIN {_DROP}; END;
CREATE TRIGGER listing_progress AFTER UPDATE OF download, blocked, waiting ON revisions BEGIN {_situation("NEW.workload")}; END;
INSERT INTO listing SELECT * FROM listed
"""  # noqa: S608  (constants)
