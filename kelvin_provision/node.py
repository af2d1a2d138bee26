"""The only place that chooses: builds ledger, store, registry, runtime and cluster from the settings, each when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.errors import ClusterMissing, ProvisionError, SecretMissing
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.lock import exclusive, holder, user
from kelvin_provision.hints import system
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Care
from kelvin_provision.settings.model import Settings

if TYPE_CHECKING:
    from kelvin_provision.applying.apply import Prepared
    from kelvin_provision.applying.forecast import Forecast, Target
    from kelvin_provision.applying.hooks import Hooks
    from kelvin_provision.applying.life import Tools
    from kelvin_provision.applying.transaction import ApplyPolicy
    from kelvin_provision.cluster.protocol import Cluster, Lookup
    from kelvin_provision.events import Progress
    from kelvin_provision.ledger.model import Workload
    from kelvin_provision.registry.protocol import Source
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.staging.limits.limits import TransferLimits
    from kelvin_provision.store import Store

K3S_CONFIG = Path("/etc/rancher/k3s/k3s.yaml")
DOCKER_SOCKET = Path("/var/run/docker.sock")
CLUSTER_FACT = "cluster.type"
AGENT = "agent:"
AGENT_WAIT = 60.0
"""Seconds that a person's command waits for what the agent is doing; for another person's it does not wait."""


class Node:
    """This box as it is set. Nothing is opened, imported or asked before it is needed."""

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        self.settings = settings
        self.progress: Progress = progress or (lambda event: None)  # noqa: ARG005  (nobody listens)

    @cached_property
    def who(self) -> str:
        """The person behind this command, for the history."""
        return user()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.settings.state_dir / "ledger.db")

    @cached_property
    def store(self) -> Store:
        """The image store."""
        from kelvin_provision.store import Store

        return Store(self.settings.state_dir)

    @cached_property
    def source(self) -> Source:
        """The registries."""
        from kelvin_provision.registry.client import Registry

        return Registry(self.settings)

    @property
    def has_ledger(self) -> bool:
        """Whether something was ever kept here; asking makes no ledger."""
        return "ledger" in self.__dict__ or (self.settings.state_dir / "ledger.db").exists()

    @cached_property
    def link(self) -> TransferLimits:
        """How the link to the registries may be used."""
        from kelvin_provision.staging.limits.budget import Budget
        from kelvin_provision.staging.limits.limits import TransferLimits
        from kelvin_provision.staging.limits.policy import DownloadPolicy
        from kelvin_provision.staging.limits.rate import RateLimit

        chosen = self.settings.download
        budget = Budget(chosen.budget, self.ledger) if chosen.budget else None
        return TransferLimits(RateLimit(chosen.rate), DownloadPolicy(chosen.window, budget), parallel=chosen.parallel)

    @cached_property
    def _choice(self) -> tuple[str, str]:
        """The cluster's type, and why that one. What already runs workloads of ours stays; else DESIGN section 3.

        A k3s that is there but does not answer is still the cluster: falling through to Docker would put the workload elsewhere.
        """
        chosen = self.settings.cluster
        if chosen.type != "auto":
            return chosen.type, "as cluster.type says"
        remembered = self.ledger.fact(CLUSTER_FACT) if self.has_ledger else None
        if remembered and self.ledger.names():
            return remembered, "it has our workloads"
        if chosen.kubeconfig:
            return "kubernetes", f"as {chosen.kubeconfig} says"
        if K3S_CONFIG.exists():
            return "kubernetes", f"k3s is here: {K3S_CONFIG}"
        if self.settings.runtime.type == "docker" or self._docker_url:
            return "docker", "as the settings of the runtime say"
        if DOCKER_SOCKET.exists():
            return "docker", "no kubeconfig, but Docker Engine is here"
        raise ClusterMissing("this box has no kubeconfig of k3s, none in KUBECONFIG, and no Docker Engine")

    @property
    def cluster_type(self) -> str:
        """`kubernetes` or `docker`."""
        return self._choice[0]

    @property
    def cluster_why(self) -> str:
        """Why this cluster, in words."""
        return self._choice[1]

    @cached_property
    def cluster(self) -> Cluster:
        """What runs workloads. The ledger remembers its type: a box keeps its cluster."""
        self.ledger.remember(CLUSTER_FACT, self.cluster_type)
        return self.reached

    @cached_property
    def reached(self) -> Cluster:
        """The same, for those who only look: nothing is remembered."""
        if self.cluster_type == "docker":
            from kelvin_provision.cluster.docker.cluster import DockerBox

            return DockerBox(self._docker_url, cluster_name=self.settings.cluster.name or "")
        from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
        from kelvin_provision.registry.auth import hosts_with_login

        chosen = self.settings.cluster
        return Kubernetes(
            kubeconfig=chosen.kubeconfig,
            context=chosen.context,
            namespace=chosen.namespace,
            name=chosen.name or "",
            settle=self.settings.apply.settle,
            pull_hosts=hosts_with_login(self.settings),
        )

    @property
    def _docker_url(self) -> str | None:
        """Docker's address, when one is set: a URL. A bare path is containerd's."""
        address = self.settings.runtime.address
        return address if address and "://" in address else None

    @cached_property
    def runtime(self) -> Runtime:
        """Where images go: that of the cluster, unless it is set."""
        chosen = self.settings.runtime
        kind = chosen.type if chosen.type != "auto" else ("docker" if self.cluster_type == "docker" else "containerd")
        if kind == "docker":
            from kelvin_provision.runtimes.docker import DockerRuntime

            return DockerRuntime(self._docker_url)
        from kelvin_provision.runtimes.finding import find

        return find(replace(chosen, address=None) if self._docker_url else chosen)

    @property
    def lookup(self) -> Lookup:
        """Secrets of this box (`secrets.NAME`) and logins for pulling (`registries.HOST`)."""
        from kelvin_provision.settings.secrets import lookup

        secret = lookup(self.settings.secrets_dir)

        def value(reference: str) -> str:
            kind, _, name = reference.partition(".")
            if kind == "secrets":
                return secret(name)
            from kelvin_provision.registry.auth import dockerconfigjson

            found = dockerconfigjson(self.settings, name)
            if found is None:
                raise SecretMissing(f"no login for {name} is stored any more", hint=system("docker", "login", name))
            return found

        return value

    @property
    def hooks(self) -> Hooks:
        """The site's scripts around an apply."""
        from kelvin_provision.hooks.folder import HookFolder

        return HookFolder(self.settings.hooks, self.settings.hooks_timeout)

    @property
    def terms(self) -> ApplyPolicy:
        """How long an apply and its way back may take."""
        from kelvin_provision.applying.transaction import ApplyPolicy
        from kelvin_provision.cluster.protocol import WaitPolicy

        limits = self.settings.apply
        return ApplyPolicy(
            forward=WaitPolicy(timeout=limits.timeout, settle=limits.settle),
            back=WaitPolicy(timeout=limits.rollback_timeout, settle=limits.settle),
            keep=self.settings.keep_revisions,
        )

    @contextmanager
    def changing(self, command: str, *, wait: float = 0.0) -> Iterator[tuple[str, ...]]:
        """Hold the operator lock, and first finish or undo what a crash left; gives what it says of that.

        Afterwards images that nobody needs any more are freed. Raises Locked, which says who holds it.
        """
        from kelvin_provision.applying import hooks, recovery

        lock = private_folder(self.settings.state_dir) / "lock"
        found = holder(lock)
        if not wait and found and str(found.get("command")).startswith(AGENT):
            # Nobody can be asked to come back later because of something that ends by itself.
            from kelvin_provision.events import Note

            self.progress(Note(f"waiting for the {found['command']}"))
            wait = AGENT_WAIT
        with exclusive(lock, command=command, wait=wait):
            cluster: Callable[[], Cluster] = lambda: self.cluster  # noqa: E731  (not opened where nothing was interrupted)
            said = recovery.recover(
                ledger=self.ledger, cluster=cluster, lookup=self.lookup, terms=self.terms, who=self.who, progress=self.progress
            )
            yield (*said, *hooks.settle(lambda: self.hooks, self.ledger, self.progress))
            with suppress(ProvisionError):
                self.sweep()  # what cannot be freed now is freed after a later change

    @property
    def interrupted(self) -> bool:
        """Whether a change is unfinished: left by a crash, or under way in another process (then `changing` says so)."""
        from kelvin_provision.applying import hooks
        from kelvin_provision.ledger import journal

        return journal.unfinished(self.ledger) is not None or hooks.owed(self.ledger)

    def sweep(self) -> int:
        """Free images that no kept revision needs; bytes freed in the store."""
        from kelvin_provision.images.prune import collect_garbage

        return collect_garbage(self.ledger, self.store, lambda: self.runtime)

    def foresee(self, targets: Sequence[Target]) -> Forecast:
        """What putting these on the cluster would do; errors as `ops.foreseeing.foresee`."""
        from kelvin_provision.preview import preview

        return preview.foresee(targets, cluster=self.cluster, runtime=lambda: self.runtime, store=self.store, lookup=self.lookup)

    def obstacle(self, found: Sequence[Workload], *, live: bool = False) -> ProvisionError | None:
        """What keeps these workloads from being applied now: OutsideWindow, WorkloadHeld. With `live` the cluster is asked for holds."""
        from kelvin_provision.applying import apply, gate

        if live and any(workload.running for workload in found):
            names = [workload.name for workload in found]
            apply.look(self.ledger, self.cluster, names)
            found = self.ledger.workloads(names)
        return gate.obstacle(found, self.settings.apply.window, self.now)

    @property
    def now(self) -> datetime:
        """The time, by the clock that the ledger is written with."""
        return timestamps.parse(self.ledger.clock())

    def apply(
        self, found: Sequence[Workload], *, who: str, stop: Callable[[], bool], care: Care = Care.BACK, force: bool = False
    ) -> Prepared:
        """Apply these workloads as one transaction; call it inside `changing`. Errors as `obstacle`, unless forced, and `ops.apply.run`."""
        from kelvin_provision.applying import apply

        if not force and (obstacle := self.obstacle(found, live=True)):
            raise obstacle
        return apply.run(
            found,
            ledger=self.ledger,
            cluster=self.cluster,
            runtime=lambda: self.runtime,
            store=self.store,
            lookup=self.lookup,
            terms=self.terms,
            who=who,
            progress=self.progress,
            stop=stop,
            care=care,
            hooks=self.hooks,
        )

    @property
    def tools(self) -> Tools:
        """What going back, starting and stopping work with."""
        from kelvin_provision.applying.life import Tools

        return Tools(
            self.ledger, self.cluster, lambda: self.runtime, self.store, self.lookup, self.terms, who=self.who, progress=self.progress
        )

    @contextmanager
    def beside(self, progress: Progress) -> Iterator[Node]:
        """The same box once more, for another thread: with connections of its own."""
        with opened(self.settings, progress=progress) as other:
            yield other

    def close(self) -> None:
        """Give back what was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()
        if "source" in self.__dict__:
            self.source.close()


@contextmanager
def opened(settings: Settings, *, progress: Progress | None = None) -> Iterator[Node]:
    """A node for the time of the block."""
    here = Node(settings, progress=progress)
    try:
        yield here
    finally:
        here.close()
