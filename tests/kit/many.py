"""Ledgers with very many workloads: a few are made as the program makes them, the others are copies of their rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, Phase, Step
from kelvin_provision.ledger.requests import accept
from kelvin_provision.ledger.staging_state import Ready
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import OperationKind
from tests.kit.images import random_image
from tests.kit.ledgers import migrated
from tests.kit.locks import lock_of

IMAGE = "registry.example:5000/motor-speed:1.0.0"
_SIZES = {"spec": 1500, "objects": 4000}
"""About what a generated Deployment with its Service is."""


def name_of(number):
    return f"workload-{number:06}"


def many(path: Path, count: int, *, staged: int = 10, lock: ImageLock | None = None) -> Path:
    """Running workloads, of which the first `staged` have a version that is ready to be applied. The history has two lines for each.

    `lock` is that of the image of all of them.
    """
    lock = lock or lock_of(random_image([1000] * 4), IMAGE)
    with Ledger(migrated(path)) as ledger:
        template = _template(ledger, lock)
        with ledger.writing() as db:
            for number in range(1, count):
                history.append(db, Entry(ledger.clock(), "anna", "deploy", name_of(number), 1, "accepted", "motor-speed 1.0.0", "1.0.0"))
                history.append(db, Entry(ledger.clock(), "anna", "apply", name_of(number), 1, "done", "", "1.0.0"))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        for table, key in (("revisions", "workload"), ("workloads", "name")):
            _copy(raw, table, key, template, range(1, count))
        raw.commit()
    with Ledger(path) as ledger:
        specs = [_spec(name_of(number), "2.0.0") for number in range(min(staged, count))]
        for revision in accept(ledger, specs, "second", actor="anna").revisions:
            ledger.set_locks(revision, (lock,))
            ledger.advance(revision, Ready())
    return path


def _spec(name, version):
    about = {"spec_version": "5.0.0", "type": "docker", "name": "motor-speed", "title": "Motor", "version": version}
    payload = about | {"description": "x" * _SIZES["spec"]}
    return Spec(name, f"The {name}", "motor-speed", version, "edge", Method.STAGED, IMAGE, payload=payload)


def _template(ledger, lock):
    name = name_of(0)
    (revision,) = accept(ledger, [_spec(name, "1.0.0")], "first", actor="anna").revisions
    ledger.set_locks(revision, (lock,))
    ledger.advance(revision, Ready())
    ledger.set_objects(
        revision, [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "note": "y" * _SIZES["objects"]}}]
    )
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, None, 1)])
    journal.commit(ledger, operation)
    journal.end(ledger, operation, [Entry(ledger.clock(), "anna", "apply", name, 1, "done")], keep=2)
    ledger.observe({name: Observation(Observed.RUNNING, seen=ledger.clock(), revision=1)})
    return name


def _copy(raw, table, key, template, numbers):
    """The template's row of the table, with another name in every text."""
    columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
    (row,) = raw.execute(f"SELECT * FROM {table} WHERE {key} = ?", (template,)).fetchall()  # noqa: S608  (names of our own)
    values = ", ".join("?" * len(columns))
    rows = ([value.replace(template, name_of(number)) if isinstance(value, str) else value for value in row] for number in numbers)
    raw.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # noqa: S608  (names of our own)
