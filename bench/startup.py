"""What a person waits for at every command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import Row, paired, program, run
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import OperationKind

ROUNDS = 15


def hundred(path: Path) -> None:
    """A ledger with a hundred running workloads."""
    names = [f"workload-{number:03}" for number in range(100)]
    with Ledger(path) as ledger:
        specs = [
            Spec(name, name.title(), "motor-speed", "1.0.0", "edge", Method.STAGED, "registry.example/motor-speed:1.0.0") for name in names
        ]
        ledger.accept(specs, "batch")
        operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, None, 1) for name in names])
        journal.commit(ledger, operation)
        journal.end(ledger, operation, [])
        ledger.observe({name: Observation(Observed.RUNNING, seen="2026-11-23T02:00:00.000000Z", revision=1) for name in names})


def rows(folder: Path) -> Iterator[Row]:
    """`--help`, and a list of a hundred, each against a bare interpreter."""
    hundred(folder / "state" / "ledger.db")
    environment = os.environ | {"KELVIN_PROVISION_STATE_DIR": str(folder / "state"), "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none")}
    bare = partial(run, [sys.executable, "-c", "pass"], environment)
    for what, words, bound in (("--help", ["--help"], 5.0), ("workloads list, 100 workloads", ["workloads", "list"], 12.0)):
        ours, other, ratio = paired(partial(run, program(*words), environment), bare, ROUNDS)
        yield Row(f"{what} / python -c pass", f"{ours * 1000:.0f} ms", f"{other * 1000:.0f} ms", ratio, bound)
