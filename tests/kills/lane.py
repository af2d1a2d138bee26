"""One box with one workload, whose commands are killed one after the other, each at another moment."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kelvin_provision import wiring
from kelvin_provision.agent import turn
from kelvin_provision.context import Context, opened
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.settings.load import load
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.accept import Defaults, accept
from kelvin_provision.usecases import deploy, start_stop
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.rollback import plan
from tests.kills.cluster import Namespace
from tests.kills.ready import ReadyPods
from tests.kit.real_box import NAMESPACE, Box
from tests.kit.waiting import until

VERBS = ("apply", "rollback", "undeploy", "stop", "start", "turn")
"""`turn` is the agent at work, with a version that applies itself."""
ALLOWED_GAP = 0.2
WITHOUT_GAP = {"apply", "rollback", "turn"}
TRIES = 4
STEPS = 12
"""Of a verb, as a first guess."""


@dataclass(frozen=True)
class Kill:
    """`where` is the step that was next; `again`: recovered by the same command typed again, else by the agent."""

    verb: str
    where: str
    again: bool
    wrong: tuple[str, ...]


class Lane:
    def __init__(self, box: Box, name: str, chance: random.Random) -> None:
        self.box, self.name, self.chance = box, name, chance
        kubeconfig, namespace = Path(box.settings["KUBECONFIG"]), box.settings[NAMESPACE]
        self.pods, self.namespace = ReadyPods(kubeconfig, namespace), Namespace(kubeconfig, namespace)
        self.steps = dict.fromkeys(VERBS, STEPS)

    @contextmanager
    def alive(self) -> Iterator[Context]:
        self.pods.start()
        try:
            with opened(load(environ=self.box.environment, is_root=True).settings, wiring.default()) as ctx:
                yield ctx
        finally:
            self.pods.end()

    def kill(self, ctx: Context, verb: str) -> Kill | None:
        """None when the command was faster."""
        try:
            return self._kill(ctx, verb)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  (what another one left may be the cause: it is told)
            return Kill(verb, "", again=False, wrong=(f"{type(error).__name__}: {error}",))

    def _kill(self, ctx: Context, verb: str) -> Kill | None:
        self._prepare(ctx, verb)
        before = self._workload(ctx)
        began = time.monotonic()
        done = self._killed(verb)
        out = done.stdout.split()
        if done.returncode == 0:
            self.steps[verb] = int(out[-1])
            return None
        if done.returncode == os.EX_TEMPFAIL:
            self._typed(self._words(verb))
            return None
        if done.returncode != -signal.SIGKILL:
            return Kill(verb, "", again=False, wrong=(f"exit code {done.returncode}: {done.stderr[-500:]}",))
        again = self.chance.random() < 0.5 and verb != "turn" and not self._is_done(ctx, verb, before)
        words = self._words(verb) if again else ("agent", "run", "--until-idle")
        result = self._typed(words)
        problems = list(self._wrong(ctx, verb, before, again=again or verb == "turn"))
        if result.returncode:
            problems.append(f"{' '.join(words)}: exit code {result.returncode}: {result.stderr[-500:]}")
        if "Traceback" in (said := done.stderr + result.stderr):
            problems.append(said[-800:])
        if verb in WITHOUT_GAP and (gap := self.pods.longest_gap(began)) > ALLOWED_GAP:
            problems.append(f"no pod was ready for {gap:.2f} s")
        return Kill(verb, " ".join(out[:1]), again, tuple(problems))

    def _prepare(self, ctx: Context, verb: str) -> None:
        workload = self._workload(ctx)
        if workload is None or workload.running is None:
            self._stage(ctx, "1.0.0", "staged-only")
            apply(ctx, ApplyRequest((self.name,)))
        elif not workload.enabled and verb != "start":
            start_stop.start(ctx, (self.name,))
        if verb == "rollback" and not self._earlier(ctx):
            self._stage(ctx, self._other(ctx), "staged-only")
            apply(ctx, ApplyRequest((self.name,)))
        if verb == "start":
            start_stop.stop(ctx, (self.name,))
        if verb == "apply":
            self._stage(ctx, self._other(ctx), "staged-only")
        if verb == "turn":
            self._accept(ctx, self._other(ctx), "staged+instant-apply")
        if verb != "start":
            until(lambda: self.pods.any)

    def _killed(self, verb: str) -> subprocess.CompletedProcess:
        """Half of them right before a step, the others somewhere after one."""
        delay = self.chance.choice((0.0, self.chance.uniform(0.0, 1.5)))
        step = self.chance.randint(1, self.steps[verb])
        return self.box.typed(str(step), verb, self.name, str(delay), module="tests.real.killed")

    def _typed(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        """Again, where a busy kubelet takes longer to end a pod than a command waits."""
        for _ in range(TRIES):
            result = self.box.typed(*words)
            if result.returncode != os.EX_TEMPFAIL:
                break
        return result

    def _words(self, verb: str) -> tuple[str, ...]:
        return ("workloads", verb, "-n", self.name, *(("--yes",) if verb in {"stop", "undeploy"} else ()))

    def _is_done(self, ctx: Context, verb: str, before: Workload) -> bool:
        """Killed after its last commit: typed again, it would be another command."""
        return journal.unfinished(ctx.ledger) is None and self._reached(self._workload(ctx), verb, before)

    @staticmethod
    def _reached(now: Workload | None, verb: str, before: Workload) -> bool:
        if verb == "undeploy" or now is None or now.running is None or before.running is None:
            return verb == "undeploy" and now is None
        if verb in {"start", "stop"}:
            return now.enabled == (verb == "start")
        return now.running.number != before.running.number

    def _wrong(self, ctx: Context, verb: str, before: Workload, *, again: bool) -> Iterator[str]:
        now = self._workload(ctx)
        reached = self._reached(now, verb, before)
        if again and not reached:
            yield "typed again, it did not get there"
        if verb == "rollback" and reached and now.running.number >= before.running.number:
            yield f"rolled back from {before.running.number} to {now.running.number}"
        if not reached and (
            now is None or now.running is None or now.running.number != before.running.number or now.enabled != before.enabled
        ):
            yield "it is neither what it was nor what was asked for"
        if journal.unfinished(ctx.ledger) is not None:
            yield "a change is still under way"
        if history.broken_link(ctx.ledger) is not None:
            yield "the history is broken"
        try:
            until(lambda: not self.namespace.wrong(now), 45.0, pause=0.3)
        except pytest.fail.Exception:
            yield from self.namespace.wrong(now)

    def _workload(self, ctx: Context) -> Workload | None:
        return ctx.ledger.existing([self.name]).get(self.name)

    def _other(self, ctx: Context) -> str:
        return "2.0.0" if self._workload(ctx).running.spec.app_version == "1.0.0" else "1.0.0"

    def _earlier(self, ctx: Context) -> bool:
        try:
            return bool(plan(ctx.ledger, [self.name]).targets)
        except Exception:  # noqa: BLE001  (there is none)
            return False

    def _stage(self, ctx: Context, version: str, method: str) -> None:
        staged = (found := self._workload(ctx)) and found.staged
        if not staged or staged.spec.app_version != version or staged.spec.method != method:
            self._accept(ctx, version, method)
        turn.take(ctx, turn.Memory.of(ctx))

    def _accept(self, ctx: Context, version: str, method: str) -> None:
        defaults = Defaults(registry=self.box.registry, cluster_name="edge", method=Method.STANDARD, has_secret=lambda _: False)
        path = self.box.request(self.name, version, method=method)
        deploy.store(ctx, accept(read(path, Path(path).read_bytes()), defaults).specs)
