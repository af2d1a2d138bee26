"""A box in this process, on a real engine, and the whole life of a group of the corpus on it."""

import contextlib
import functools
from contextlib import contextmanager
from dataclasses import replace

from kelvin_provision.agent import turn
from kelvin_provision.applying.facts import render_staged
from kelvin_provision.check_result import CheckStatus
from kelvin_provision.checks import before_apply
from kelvin_provision.cluster.plan import Op
from kelvin_provision.context import opened
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.preview.preview import preview
from kelvin_provision.queries.items import item_of
from kelvin_provision.settings.model import ApplySettings, Settings
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.deploy import DeployRequest, deploy
from kelvin_provision.usecases.rollback import RollbackRequest, rollback
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy
from kelvin_provision.wiring import default
from tests.kit import corpus
from tests.kit.images import SERVE, UNIQUE, busybox, make_image, push, tar_of

VERSIONS = ("1.0.0", "2.0.0")
SECRETS = {"mqtt-user": "anna.7", "mqtt-password": "s3cret-2"}
PROGRAMS = ("sh", "sleep", "cat", "httpd", "true", "test", "date")


@functools.cache
def image(version):
    layer = tar_of({"etc/unique": UNIQUE.encode(), "www/index.html": version.encode()}, mode=0o644)
    return make_image([busybox(*PROGRAMS), layer], cmd=("/bin/sh", "-c", SERVE))


def push_images(registry, unique):
    """All that the files name, and those of the app manifests."""
    names = {f"{unique}/app", f"{unique}/helper"}
    for case in corpus.of_groups(corpus.APPS):
        payload = case.documents(unique=unique)[0].value["payload"]
        names.add(payload.get("name") or payload["info"]["name"])
    for version in VERSIONS:
        for name in names:
            push(registry, name, version, image(version))


@contextmanager
def box(folder, registry, **settings):
    """The context of a box that is empty, and again afterwards."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, value in SECRETS.items():
        (secrets / name).write_text(value)
    state = folder / "state"
    changed = Settings(
        state_dir=state,
        secrets_dir=secrets,
        registry=registry,
        apply=ApplySettings(timeout=150.0, settle=0.0),
        hooks=folder / "no-hooks",
        **settings,
    )
    with opened(changed, default()) as ctx:
        try:
            yield ctx
        finally:
            with contextlib.suppress(Exception), Ledger(state / "ledger.db") as ledger:
                if names := ledger.names():
                    undeploy(ctx, UndeployRequest(tuple(names)))


class Life:
    """`requests` makes the documents of all cases for a version."""

    def __init__(self, ctx, requests):
        self.ctx, self.requests = ctx, requests
        self.names = ()

    def states(self):
        items = map(item_of, self.ctx.ledger.workloads())
        return {item.name: (item.app_version, item.status.state.value, item.staged and item.staged.status.message) for item in items}

    def staged(self, version):
        result = deploy(self.ctx, DeployRequest(tuple(self.requests(version))))
        self.names = tuple(revision.workload for revision in result.revisions)
        agent = replace(self.ctx, actor="agent")
        turn.take(agent, turn.Memory.of(agent))
        workloads = self.ctx.ledger.workloads()
        refused = {workload.name: (workload.staged.failure, workload.staged.download) for workload in workloads if workload.staged.failure}
        assert refused == {}

    def applied(self, version):
        """Compared and checked before; without a difference afterwards."""
        self.staged(version)
        workloads = self.ctx.ledger.workloads()
        seen = preview(self.ctx, render_staged(self.ctx, workloads))
        assert (seen.plan.findings, seen.drift) == ((), ())
        assert {change.workload for change in seen.plan.changes if change.op is not Op.KEEP} == set(self.names)
        lines = before_apply.run(self.ctx, workloads)
        assert [line for line in lines if line.status is CheckStatus.ERROR] == []
        apply(self.ctx, ApplyRequest(self.names))
        self.runs(version)

    def runs(self, version):
        assert self.states() == dict.fromkeys(self.names, (version, "running", None))
        running = {workload.name: workload.running.objects for workload in self.ctx.ledger.workloads()}
        assert self.ctx.cluster.drift(running) == ()

    def whole(self):
        """Returns the objects that were there."""
        for version in VERSIONS:
            self.applied(version)
        rollback(self.ctx, RollbackRequest(self.names))
        self.runs(VERSIONS[0])
        objects = [item for workload in self.ctx.ledger.workloads() for item in workload.running.objects]
        undeploy(self.ctx, UndeployRequest(self.names))
        assert (self.ctx.ledger.names(), dict(self.ctx.cluster.observe())) == ([], {})
        return objects
