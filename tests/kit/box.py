"""A box with fakes for the outside world, in this process; its ledger and store are real."""

import shutil
import threading
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

from kelvin_provision import wiring
from kelvin_provision.agent import loop, turn
from kelvin_provision.agent.reconcile import observe_running, restore_images
from kelvin_provision.connections import ClusterChoice, Connections, NoLauncher, Wiring
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.queries.items import item_of
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import ApplySettings, Settings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.timings import Timings
from kelvin_provision.usecases import deploy, start_stop
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.operation import OrderTicket, interrupted, operation
from kelvin_provision.usecases.rollback import RollbackRequest, rollback
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy
from tests.kit.cli import run
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.ledgers import migrated

FAST = Timings(
    poll=0.01,
    follow=0.01,
    agent_place=0.0,
    agent_retry=0.05,
    agent_goodbye=0.2,
    lock_wait_agent=0.0,
    member_grace=0.0,
    staging=Backoff(first=0.001, cap=0.001, deadline=0.01),
)
"""A box in a hurry."""


class Box:
    """The parts are attributes: turn their knobs, or replace them; an error in place of one is raised when it is opened.

    `said` has every event.
    """

    def __init__(self, path, *, like=None, **changes):
        self.said = []
        self.choice = "as the test says"
        self.progress = self.said.append
        self.source, self.runtime, self.cluster = (
            (like.source, like.runtime, like.cluster) if like else (FakeSource(), FakeRuntime(), FakeCluster())
        )
        self.hooks, self.timings, self.clock, self.launcher = None, FAST, utc_now, NoLauncher()
        self.settings = Settings(**{"state_dir": path, "apply": ApplySettings(settle=0.0)} | changes)
        self.look_up = self._connections = None
        migrated(self.settings.state_dir / "ledger.db")

    def copy(self, path):
        """A closed box as a template: the same state and the same fakes elsewhere, for a fraction of what making it took."""
        shutil.copytree(self.settings.state_dir, path, dirs_exist_ok=True)
        fresh = {id(self.cluster.changed): threading.Event()}  # an event cannot be copied
        source, runtime, cluster = deepcopy((self.source, self.runtime, self.cluster), fresh)
        return type(self)(path, like=SimpleNamespace(source=source, runtime=runtime, cluster=cluster))

    @property
    def wiring(self):
        return Wiring(
            choose_cluster=lambda settings, remembered: ClusterChoice("fake", self.choice),
            cluster=lambda settings, choice: _opened(self.cluster),
            runtime=lambda settings, choice: _opened(self.runtime),
            source=lambda settings: _opened(self.source),
            media=wiring.media,
            hooks=lambda settings: self.hooks or wiring.hooks(settings),
            lookup=self.lookup,
            actor=lambda: "anna",
            launcher=self.launcher,
            clock=self._now,
            timings=self.timings,
            destination=wiring.destination,
        )

    def _heard(self, event):
        self.progress(event)

    def lookup(self, settings):
        return self.look_up or wiring.lookup(settings)

    def _now(self):
        return self.clock()

    @property
    def ctx(self):
        """The same connections for the life of the box; settings and parts that were replaced since are taken up."""
        if self._connections is None:
            self._connections = Connections(self.settings, self.wiring)
        self._connections.wiring = self.wiring
        for part in ("source", "runtime", "cluster"):
            vars(self._connections).pop(part, None)
        return Context(self.settings, self._connections, "anna", self._heard)

    def agent(self, **changes):
        """The context that the agent works with."""
        return replace(self.ctx, actor="agent", **changes)

    @property
    def ledger(self):
        return self.ctx.ledger

    @property
    def store(self):
        return self.ctx.store

    def close(self):
        self.ctx.connections.close()

    def deploy(self, *names, version="1.0.0", method=Method.STAGED):
        specs = []
        for name in names:
            image = f"r.io/{name}:{version}"
            self.source.images.setdefault(image, random_image([3000]))
            specs.append(Spec(name=name, title=name, app_name=name, app_version=version, cluster_name="c", method=method, image=image))
        return deploy.store(self.ctx, specs)[0]

    def turn(self, **changes):
        ctx = self.agent(**changes)
        return turn.take(ctx, turn.Memory.of(ctx))

    def work(self, stop=lambda: False, **until):
        """The agent's loop in this thread."""
        loop.run(replace(self.ctx, stop=stop), **until)

    @property
    def interrupted(self):
        return interrupted(self.ctx)

    def operation(self, command="anything"):
        return operation(self.ctx, OrderTicket(command))

    def undeploy(self, *names, staged=False):
        return undeploy(self.ctx, UndeployRequest(names, staged))

    def rollback(self, *names, to=None, stop=lambda: False):
        return rollback(replace(self.ctx, stop=stop), RollbackRequest(names, to))

    def stop(self, *names):
        return start_stop.stop(self.ctx, names).changed

    def start(self, *names, stop=lambda: False):
        return start_stop.start(replace(self.ctx, stop=stop), names).changed

    def command_apply(self, *names, stop=lambda: False, **request):
        return apply(replace(self.ctx, stop=stop), ApplyRequest(names, **request))

    def up(self, version, *names):
        """Stage this version of them, and apply it."""
        self.deploy(*names, version=version)
        self.turn()
        self.command_apply(*names)

    def run(self, *words, **more):
        """A command line on this box."""
        return run(*words, "--state-dir", str(self.settings.state_dir), wiring=self.wiring, **more)

    def ended(self, *words, code=0, **more):
        """The same, whose exit code is known."""
        result = self.run(*words, **more)
        assert result.exit_code == code, result.stderr
        return result

    def states(self):
        items = map(item_of, self.ledger.workloads())
        return {item.name: (item.status.state.value, item.staged and item.staged.status.state.value) for item in items}

    def warnings(self, name):
        return list(item_of(self.ledger.workload(name)).status.warnings)


def _opened(part):
    if isinstance(part, Exception):
        raise part
    return part


def two_versions(path, name="a"):
    """Two versions of `name` have run; the second runs now."""
    found = Box(path)
    for version in ("1.0.0", "2.0.0"):
        found.up(version, name)
    return found


def reconcile(box):
    """One round of the reconciler. Trouble is only logged."""
    try:
        restore_images(box.agent())
    except ProvisionError as error:
        box.said.append(Note(str(error)))
    observe_running(box.agent())
