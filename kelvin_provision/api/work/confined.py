"""The parts of the box for the processes of the API: as a service, they reach an agent, and the cluster only by asking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kelvin_provision.api.arguments import Arguments
from kelvin_provision.api.work import patience
from kelvin_provision.connections import ClusterChoice, Wiring
from kelvin_provision.settings.model import Settings
from kelvin_provision.wiring import default


def wiring(arguments: Arguments, settings: Settings) -> Wiring:
    """The real parts, with an agent that is started when it is needed."""
    if not arguments.confined:
        from kelvin_provision.agent.lifecycle.launcher import Launcher, detached_agent

        return default(Launcher(detached_agent(settings.state_dir, arguments.config), patience=patience.AGENT))
    from kelvin_provision.agent.lifecycle.start_request import AskingLauncher

    launcher = AskingLauncher(patience.AGENT)
    parts = default(launcher)

    def choose(own: Settings, remembered: Callable[[], str | None]) -> ClusterChoice:
        """Neither kubeconfig nor engine is visible here. Raises what the agent raises, AgentSilent without one."""
        from kelvin_provision.agent.questions.asking import ask

        if own.cluster.type != "auto":
            return parts.choose_cluster(own, remembered)
        if kept := remembered():
            return ClusterChoice(kept, "it has our workloads")
        launcher.ensure(own)
        answer = ask(own.state_dir, "cluster", {})
        return ClusterChoice(answer["type"], answer["reason"])

    return replace(parts, choose_cluster=choose)
