"""What a person does on the box while the power is cut, over and over, and what each command promises."""

import random
from collections.abc import Callable
from dataclasses import replace

from kelvin_provision.ledger import history
from kelvin_provision.spec.enums import Download
from kelvin_provision.store import Store
from tests.powercut.box import VERSIONS, Box
from tests.powercut.cutter import BETWEEN, Cutter
from tests.powercut.promises import Deed, Promises, Proof, Situation, Slot

NAMES = ("pump", "valve")
PACE = 0.001


class CommandFailed(Exception):
    """Without any power cut."""


class Story:
    def __init__(self, box: Box, promises: Promises, cutter: Cutter, chance: random.Random) -> None:
        self._box, self._promises, self._cutter, self._chance = box, promises, cutter, chance
        self._count = 0

    def tell(self, over: Callable[[], bool]) -> None:
        self._set("300")
        while not over():
            self._round()

    def _round(self) -> None:
        self._count += 1
        for name in NAMES:
            self._deploy(name)
        self._do("stage", ("agent", "run", "--until-idle"), self._promises.now)
        before = self._promises.now
        self._apply(NAMES if self._chance.random() < 0.5 else (self._chance.choice(NAMES),))
        for name in NAMES:
            had, has = before.slots[name].running, self._promises.now.slots[name].running
            if had and has != had and self._chance.random() < 0.7:
                words = ("workloads", "rollback", "-n", name)
                self._do("rollback", words, self._promises.now.with_slot(name, replace(self._promises.now.slots[name], running=had)))
        self._leave_garbage()
        self._do("prune", ("images", "prune", "--orphans", "--yes"), self._promises.now)
        self._set(str(300 + self._count))
        if self._count % 4 == 0:
            self._do("undeploy", ("workloads", "undeploy", "-n", NAMES[1], "--yes"), self._promises.now.with_slot(NAMES[1], None))

    def _set(self, value: str) -> None:
        after = replace(self._promises.now, settings={"timeout": value})
        self._do(BETWEEN, ("config", "set", "apply.timeout", f"{value}s"), after)

    def _deploy(self, name: str) -> None:
        slot = self._promises.now.slots.get(name, Slot())
        version = self._chance.choice([version for version in VERSIONS if version not in {slot.running, slot.staged}])
        words = (
            *("workloads", "deploy", "-n", name, "--app-name", name, "--app-version", version),
            *("--staged", "--no-instantly-apply"),
        )
        self._do("deploy", words, self._promises.now.with_slot(name, replace(slot, staged=version)))

    def _apply(self, names: tuple[str, ...]) -> None:
        after = self._promises.now
        for name in names:
            after = after.with_slot(name, Slot(running=after.slots[name].staged))
        self._do("apply", ("workloads", "apply", *(word for name in names for word in ("-n", name))), after)

    def _leave_garbage(self) -> None:
        """As an interrupted download does: an orphan for prune to find."""
        Store(self._box.state).layout.partial(f"sha256:{self._chance.randbytes(32).hex()}").write_bytes(bytes(1000))

    def _do(self, phase: str, words: tuple[str, ...], after: Situation) -> None:
        self._promises.begin(Deed(words, after))
        self._cutter.enter(phase)
        result = self._box.run(*words)
        if result.exit_code:
            raise CommandFailed(f"{' '.join(words)}: {result}")
        self._promises.acknowledge()
        self._cutter.enter(BETWEEN)
        self._promises.proof = self._proof()

    def _proof(self) -> Proof:
        if not (self._box.state / "ledger.db").exists():
            return Proof()
        with self._box.ledger() as ledger:
            staged = [workload.staged for workload in ledger.workloads() if workload.staged]
            ready = [(revision.workload, revision.spec.app_version) for revision in staged if revision.download is Download.READY]
            return Proof(frozenset(ready), len(history.history(ledger)), history.head(ledger))
