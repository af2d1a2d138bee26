"""Tokens with which nodes join: each serves one node, once, and for a short time."""

from __future__ import annotations

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.nodes.model import NodeToken

KEPT = 100
"""Rows that are kept, so that a token which is used again is told from one that never was."""


def add(ledger: Ledger, token: NodeToken) -> None:
    """A token that was made now."""
    with ledger.writing() as db:
        values = (token.hash, token.made, token.expires, token.actor)
        db.execute("INSERT INTO node_tokens (hash, made, expires, actor) VALUES (?, ?, ?, ?)", values)
        db.execute("DELETE FROM node_tokens WHERE hash NOT IN (SELECT hash FROM node_tokens ORDER BY rowid DESC LIMIT ?)", (KEPT,))
        detail = f"valid until {token.expires}"
        history.append(db, Entry(token.made, token.actor, "node token", "", None, "done", detail))
