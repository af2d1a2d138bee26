"""Rows of the members, and of their images. Nothing in here writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes.model import Node, NodeImage, NodeImageState, NodeToken
from kelvin_provision.ledger.rows.common import LISTED, listed, sound
from kelvin_provision.ledger.rows.damage import Row, strings
from kelvin_provision.refs import Platform


def nodes(ledger: Ledger) -> tuple[Node, ...]:
    """All that can be read, by name."""
    with ledger.reading() as db:
        return tuple(sound(node_of, db.execute("SELECT * FROM nodes ORDER BY name")))


def node(ledger: Ledger, name: str) -> Node | None:
    """Raises StateDamaged."""
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM nodes WHERE name = ?", (name,)).fetchone()
    return None if row is None else node_of(row)


def node_with_key(ledger: Ledger, key: str) -> Node | None:
    """The member that shows itself with this key, also if it is the one that it got last. Raises StateDamaged."""
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM nodes WHERE key = ?1 OR next_key = ?1", (key,)).fetchone()
    return None if row is None else node_of(row)


def node_images(ledger: Ledger, *, node: str | None = None, images: Collection[str] | None = None) -> tuple[NodeImage, ...]:
    """What members said of their images: of one member, of these images, or all. Those that can be read, by member and image."""
    where, values = list[str](), list[str]()
    if node is not None:
        where.append("node = ?")
        values.append(node)
    if images is not None:
        where.append(f"image {LISTED}")
        values += listed(images)
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    with ledger.reading() as db:
        stored = db.execute(f"SELECT * FROM node_images{condition} ORDER BY node, image", values)  # noqa: S608  (constants)
        return tuple(sound(node_image_of, stored))


def node_tokens(ledger: Ledger) -> tuple[NodeToken, ...]:
    """All that can be read, the newest first."""
    with ledger.reading() as db:
        return tuple(sound(token_of, db.execute("SELECT * FROM node_tokens ORDER BY made DESC, hash")))


def node_of(row: sqlite3.Row) -> Node:
    """A row of `nodes`. Raises StateDamaged."""
    cells = Row(row, "nodes", "name")
    try:
        platform = Platform.parse(cells.text("platform"))
    except ValueError as error:
        cells.damaged("platform", error)
    return Node(
        name=cells.text("name"),
        key=cells.text("key"),
        next_key=cells.text_or_none("next_key"),
        address=cells.text("address"),
        platform=platform,
        cluster_node=cells.text("cluster_node"),
        version=cells.text("version"),
        joined=cells.time("joined"),
        seen=cells.time("seen"),
        away=cells.time_or_none("away"),
        draining=cells.flag("draining"),
        free=cells.number_or_none("free"),
        problems=cells.json("problems", strings),
    )


def node_image_of(row: sqlite3.Row) -> NodeImage:
    """A row of `node_images`. Raises StateDamaged."""
    cells = Row(row, "node_images", "node", "image")
    return NodeImage(
        node=cells.text("node"),
        image=cells.text("image"),
        state=cells.word("state", NodeImageState),
        why=cells.text("why"),
        since=cells.time("since"),
        bytes=cells.number("bytes"),
    )


def token_of(row: sqlite3.Row) -> NodeToken:
    """A row of `node_tokens`. Raises StateDamaged."""
    cells = Row(row, "node_tokens", "hash")
    return NodeToken(
        hash=cells.text("hash"),
        made=cells.time("made"),
        expires=cells.time("expires"),
        actor=cells.text("actor"),
        used=cells.time_or_none("used"),
        node=cells.text_or_none("node"),
    )
