"""The only place that chooses implementations: registry, runtime, cluster and hooks of this box, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kelvin_provision.connections import AgentLauncher, ClusterChoice, NoLauncher, Wiring
from kelvin_provision.errors import ClusterMissing, SecretMissing
from kelvin_provision.files.lock import user
from kelvin_provision.hints import system
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import K3S_KUBECONFIG

if TYPE_CHECKING:
    from kelvin_provision.cluster.protocol import Cluster, Lookup
    from kelvin_provision.events import Progress
    from kelvin_provision.hooks.protocol import Hooks
    from kelvin_provision.ledger.ledger import Ledger
    from kelvin_provision.registry.protocol import Destination, Media, Source
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.store import Store


def default(launcher: AgentLauncher | None = None) -> Wiring:
    """The real parts."""
    parts = (choose_cluster, cluster, runtime, source, media, hooks, lookup, user)
    return Wiring(*parts, launcher or NoLauncher(), destination=destination)


def choose_cluster(settings: Settings, remembered: Callable[[], str | None]) -> ClusterChoice:
    """What already runs our workloads stays; else the order of DESIGN section 3.

    A k3s that is installed but does not answer is still the cluster: falling back to Docker would put the workload elsewhere.
    """
    type_, reason = _choose(settings, remembered)
    kubeconfig = settings.cluster.kubeconfig or K3S_KUBECONFIG
    return ClusterChoice(type_, reason, kubeconfig if type_ == "kubernetes" else None)


def _choose(settings: Settings, remembered: Callable[[], str | None]) -> tuple[str, str]:
    chosen = settings.cluster
    if chosen.type != "auto":
        return chosen.type, "as cluster.type says"
    if kept := remembered():
        return kept, "it has our workloads"
    if chosen.kubeconfig:
        return "kubernetes", f"as {chosen.kubeconfig} says"
    if K3S_KUBECONFIG.exists():
        return "kubernetes", f"k3s is here: {K3S_KUBECONFIG}"
    if settings.runtime.type == "docker" or _docker_url(settings):
        return "docker", "as the settings of the runtime say"
    from kelvin_provision.docker_engine.connection import DEFAULT_SOCKET

    if DEFAULT_SOCKET.exists():
        return "docker", "no kubeconfig, but Docker Engine is here"
    raise ClusterMissing("this box has no kubeconfig of k3s, none in KUBECONFIG, and no Docker Engine")


def cluster(settings: Settings, choice: ClusterChoice) -> Cluster:
    if choice.type == "docker":
        from kelvin_provision.cluster.docker.cluster import DockerCluster

        return DockerCluster(_docker_url(settings), cluster_name=settings.cluster.name or "")
    from kelvin_provision.cluster.kubernetes.cluster import Kubernetes
    from kelvin_provision.registry.auth import hosts_with_credentials

    chosen = settings.cluster
    return Kubernetes(
        kubeconfig=chosen.kubeconfig or K3S_KUBECONFIG,
        context=chosen.context,
        namespace=chosen.namespace,
        name=chosen.name or "",
        settle=settings.apply.settle,
        pull_hosts=hosts_with_credentials(settings),
    )


def runtime(settings: Settings, choice: Callable[[], ClusterChoice]) -> Runtime:
    """Where images go: the cluster's own runtime, unless one is set."""
    chosen = settings.runtime
    kind = chosen.type if chosen.type != "auto" else _runtime_of(settings, choice)
    if kind == "docker":
        from kelvin_provision.runtimes.docker import DockerRuntime

        return DockerRuntime(_docker_url(settings), runs_32_bit=chosen.run_32_bit)
    from kelvin_provision.runtimes.containerd.discovery import find

    return find(replace(chosen, address=None) if _docker_url(settings) else chosen)


def _runtime_of(settings: Settings, choice: Callable[[], ClusterChoice]) -> str:
    """A member of several nodes has containerd, and needs no kubeconfig."""
    if (settings.state_dir / "nodes" / "membership.json").exists():
        return "containerd"
    return "docker" if choice().type == "docker" else "containerd"


def source(settings: Settings) -> Source:
    from kelvin_provision.registry.client import Registry

    return Registry(settings)


def destination(settings: Settings, progress: Progress) -> Destination:
    from kelvin_provision.registry.pushing.pusher import Pusher

    return Pusher(settings, progress)


def media(settings: Settings, ledger: Ledger, store: Callable[[], Store]) -> Media:
    from kelvin_provision.media.source import BundleSource

    return BundleSource(ledger, store, settings.state_dir)


def hooks(settings: Settings) -> Hooks:
    from kelvin_provision.hooks.folder import HookFolder

    return HookFolder(settings.hooks, settings.hooks_timeout)


def lookup(settings: Settings) -> Lookup:
    """Secrets by `secrets.NAME`, logins by `registries.HOST`; read when a value is needed, kept nowhere."""
    from kelvin_provision.settings.secrets import lookup as secrets_in

    secret = secrets_in(settings.secrets_dir)

    def value(reference: str) -> str:
        kind, _, name = reference.partition(".")
        if kind == "secrets":
            return secret(name)
        from kelvin_provision.registry.auth import dockerconfigjson

        login = dockerconfigjson(settings, name)
        if login is None:
            raise SecretMissing(f"no login for {name} is stored any more", hint=system("docker", "login", name))
        return login

    return value


def _docker_url(settings: Settings) -> str | None:
    """Docker's address, when one is set: a URL. A bare path is containerd's."""
    address = settings.runtime.address
    return address if address and "://" in address else None
