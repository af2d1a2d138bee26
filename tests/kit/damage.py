"""A ledger with something in every table, and ways in which a failing disk changes one value of it."""

import shutil
import sqlite3
from pathlib import Path

from kelvin_provision.ledger import history, holds, local_names, orders, requests, traffic
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.nodes import membership, places, reports, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeImage, NodeImageState, NodeToken, PlaceRow
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.ledger.sqlite import schema
from kelvin_provision.refs import Platform
from kelvin_provision.spec.enums import Method
from kelvin_provision.trust.documents import kept
from tests.kit.box import Box
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.signing import key_pair
from tests.kit.trusting import signed, trust_document

TABLES = (
    "workloads",
    "revisions",
    "operations",
    "history",
    "facts",
    "images",
    "traffic",
    "holds",
    "orders",
    "evidence",
    "local_names",
    "trust",
    "nodes",
    "node_images",
    "node_tokens",
    "places",
)


def full_ledger(folder):
    """A box whose workloads have all that there is. SQLite takes any value in its tables: a flipped bit asks no type either."""
    path = folder / "ledger.db"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.create_function("image_name", 1, lambda lock: None)
    for migration in schema.MIGRATIONS:
        for statement in (
            migration.replace(" STRICT", "").replace("TEXT NOT NULL", "TEXT").replace("INTEGER NOT NULL", "INTEGER").split(";\n")
        ):
            raw.execute(statement)
    raw.execute(f"PRAGMA user_version = {schema.SCHEMA}")
    raw.close()
    path.chmod(0o600)
    box = Box(folder)
    for version in ("1.0.0", "2.0.0"):
        box.deploy("pump", "fan", version=version)
        box.turn()
        box.command_apply("pump", "fan")
    box.deploy("pump", "fan", version="3.0.0")
    box.turn()
    box.deploy("lamp", method=Method.INSTANT)
    box.deploy("valve")
    ledger = box.ledger
    orders.place(ledger, orders.apply_of([ledger.workload("pump")], actor="anna", at="2036-11-24T02:00:00Z"))
    holds.hold(ledger, ["fan"], "inspection", actor="anna")
    helper = lock_of(random_image([100]), "r.io/helper:1")
    local_names.require(ledger, {"r.io/helper:1": helper})
    traffic.draw(ledger, "2026-01-01", 100, 1000)
    believe(box)
    lead(box)
    places.record(ledger, ledger.workload("pump").running, [PlaceRow("node-b", helper.name, "kelvin-provision/images-0")])
    history.record(ledger, Entry(ledger.clock(), "anna", "apply", "pump", 2, "failed", "exit code 3", evidence=("pump: exit code 3",)))
    return box


def believe(box):
    """A trust document as it was accepted."""
    anna = key_pair()
    one = signed(trust_document(1, anna), anna)
    kept.keep(box.settings.state_dir, 1, one)
    requests.accept_trust(box.ledger, [AcceptedTrust(1, one.digest, ("anna",), box.ledger.clock(), "anna", "from a file")], "trust import")


def lead(box):
    """A member that has an image."""
    ledger, now = box.ledger, box.ledger.clock()
    tokens.add(ledger, NodeToken("t" * 64, now, "2036-11-24T02:00:00Z", "anna"))
    node = Node("node-b", "b" * 64, None, "10.0.0.2:30500", Platform.parse("linux/arm64"), "node-b", "1.0", now, now)
    membership.join(ledger, node, "t" * 64, now)
    image = NodeImage("node-b", "r.io/pump@sha256:" + "1" * 64, NodeImageState.HERE, "", now, 100)
    reports.record(ledger, "node-b", reports.Said("10.0.0.2:30500", "linux/arm64", "1.0", 5 << 30, (), (image,)))


def columns(path):
    """Each column of each table."""
    raw = sqlite3.connect(path)
    for table in TABLES:
        for row in raw.execute(f"PRAGMA table_info({table})").fetchall():
            yield table, row[1]
    raw.close()


def _flipped(value, number):
    data = bytearray(value)
    if data:
        at = number.randrange(len(data) * 8)
        data[at // 8] ^= 1 << at % 8
    return bytes(data)


def damages(value, number):
    """Values that may be there instead, by what was done to it; text is given as bytes."""
    text = str(value if value is not None else "").encode()
    result = {
        "null": None, "number": 7, "negative": -1, "huge": (1 << 63) - 1, "real": 3.5, "blob": b"\x00\xff", "text": "xyzzy", "empty": "",
        "not UTF-8": text[: len(text) // 2] + b"\xff\x80" + text[len(text) // 2 :], "truncated": text[: len(text) // 2],
        "list": b"[]", "object": b"{}", "string": b'"x"', "lists": b"[[]]", "objects": b"[{}]", "texts": b'["x"]', "numbers": b"[[1, 2, 3]]",
        "half a pair": b'["\\ud83d"]', "JSON null": b"null", "infinite": b"[1e999]", "deep": b"[" * 5000 + b"]" * 5000,
    }  # fmt: skip
    return result | {f"bit {turn}": _flipped(text, number) for turn in range(3)}


def damage(path, table, column, row, value):
    """Write the value into the column of the row."""
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        written = "CAST(? AS TEXT)" if isinstance(value, bytes) and value != b"\x00\xff" else "?"
        raw.execute(f"UPDATE {table} SET {column} = {written} WHERE rowid = ?", (value, row))  # noqa: S608  (names of our own)
    except sqlite3.IntegrityError:
        return False  # a key that another row has
    finally:
        raw.close()
    return True


def copies(box, folder):
    """Copies of the ledger of a box that is closed, each as another file."""
    box.close()
    source = box.settings.state_dir / "ledger.db"
    target = Path(folder) / "ledger.db"

    def fresh():
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (target.parent / name).unlink(missing_ok=True)
        shutil.copyfile(source, target)
        return target

    return fresh
