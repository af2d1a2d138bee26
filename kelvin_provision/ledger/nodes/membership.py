"""Who is a member: joined, removed, drained, and with which key. Each change is a line of the history."""

from __future__ import annotations

import sqlite3
from enum import StrEnum

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.nodes.model import Node
from kelvin_provision.ledger.nodes.reading import node_of, token_of


class JoinRefusal(StrEnum):
    """Why a node is not admitted."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    NAME = "name"
    """Another member has it."""
    KEY = "key"
    """Another member has it."""
    CLUSTER_NODE = "cluster-node"
    """Another member is this node of the cluster."""


def token_refusal(ledger: Ledger, token: str, now: str, name: str) -> JoinRefusal | None:
    """Whether a node of this name may not join with the token that has this hash."""
    with ledger.reading() as db:
        return _token_refusal(db, token, now, name)


def _token_refusal(db: sqlite3.Connection, token: str, now: str, name: str) -> JoinRefusal | None:
    row = db.execute("SELECT * FROM node_tokens WHERE hash = ?", (token,)).fetchone()
    if row is None:
        return JoinRefusal.UNKNOWN
    stored = token_of(row)
    if not stored.made <= now < stored.expires:
        return JoinRefusal.EXPIRED
    return JoinRefusal.USED if stored.used is not None and stored.node != name else None


def join(ledger: Ledger, node: Node, token: str, now: str) -> JoinRefusal | None:
    """Admit a member and use up the token with this hash, in one commit; or say why not, and then nothing is changed.

    A member that joins again with the same key and token has not had the answer. One that is away, or was, is replaced by a node that
    joins under its name with a new token: its disk was replaced.
    """
    with ledger.writing() as db:
        if (refusal := _token_refusal(db, token, now, node.name)) is not None:
            return refusal
        stored = token_of(db.execute("SELECT * FROM node_tokens WHERE hash = ?", (token,)).fetchone())
        if stored.used is not None:
            same = db.execute("SELECT 1 FROM nodes WHERE name = ? AND key = ?", (node.name, node.key)).fetchone()
            return None if same else JoinRefusal.USED
        taken = db.execute("SELECT name FROM nodes WHERE (key = ?1 OR next_key = ?1) AND name <> ?2", (node.key, node.name)).fetchone()
        if taken is not None:
            return JoinRefusal.KEY
        again = db.execute("SELECT away FROM nodes WHERE name = ?", (node.name,)).fetchone()
        if again is not None and again["away"] is None:
            return JoinRefusal.NAME
        query = "SELECT 1 FROM nodes WHERE cluster_node = ? AND cluster_node <> '' AND name <> ?"
        if db.execute(query, (node.cluster_node, node.name)).fetchone() is not None:
            return JoinRefusal.CLUSTER_NODE
        db.execute("DELETE FROM nodes WHERE name = ?", (node.name,))
        db.execute("UPDATE node_tokens SET used = ?, node = ? WHERE hash = ?", (now, node.name, token))
        _insert(db, node)
        detail = f"key {node.key[:12]}, {node.platform}, token of {stored.actor}"
        history.append(db, Entry(now, f"node {node.name}", "node join", "", None, "done", detail))
    return None


def _insert(db: sqlite3.Connection, node: Node) -> None:
    db.execute(
        "INSERT INTO nodes (name, key, address, platform, cluster_node, version, joined, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (node.name, node.key, node.address, str(node.platform), node.cluster_node, node.version, node.joined, node.seen),
    )


def offer_key(ledger: Ledger, name: str, key: str) -> bool:
    """A certificate for this key is given to the member; its earlier key serves until this one is used. False if another has the key."""
    with ledger.writing() as db:
        if db.execute("SELECT 1 FROM nodes WHERE (key = ?1 OR next_key = ?1) AND name <> ?2", (key, name)).fetchone():
            return False
        db.execute("UPDATE nodes SET next_key = ? WHERE name = ?", (key, name))
    return True


def take_key(ledger: Ledger, name: str, key: str) -> None:
    """The member uses the key that it got last: the earlier one is not accepted any more."""
    with ledger.writing() as db:
        done = db.execute("UPDATE nodes SET key = next_key, next_key = NULL WHERE name = ? AND next_key = ?", (name, key))
        if done.rowcount:
            history.append(db, Entry(ledger.clock(), f"node {name}", "node renew", "", None, "done", f"key {key[:12]}"))


def remove(ledger: Ledger, name: str, *, actor: str) -> Node | None:
    """From now on its key is foreign. None if there was no such member."""
    return _changed(ledger, name, "DELETE FROM nodes WHERE name = ?", "node remove", actor)


def drain(ledger: Ledger, name: str, *, draining: bool, actor: str) -> Node | None:
    """No new images are sent to it, or again. Returns it as it was."""
    change = f"UPDATE nodes SET draining = {int(draining)} WHERE name = ?"  # noqa: S608  (a number)
    return _changed(ledger, name, change, "node drain" if draining else "node undrain", actor)


def _changed(ledger: Ledger, name: str, statement: str, action: str, actor: str) -> Node | None:
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM nodes WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        node = node_of(row)
        db.execute(statement, (name,))
        history.append(db, Entry(ledger.clock(), actor, action, "", None, "done", f"{name}, key {node.key[:12]}"))
    return node
