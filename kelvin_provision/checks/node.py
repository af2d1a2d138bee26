"""Checks of the node and its container runtime. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.checks.runner import Check
from kelvin_provision.cluster.survey import ClusterState
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.nodes.overview import SiteState
from kelvin_provision.refs import Reference
from kelvin_provision.runtimes.protocol import RuntimeInfo
from kelvin_provision.spec.identity import Identity
from kelvin_provision.timestamps import local
from kelvin_provision.tls.judging import RENEW

INSTALL = command("agent install")
IMAGE_PROBLEMS = ("CreateContainerError", "failed to get image", "failed to resolve image")


def node(state: ClusterState) -> Iterator[CheckFinding]:
    """`node`: its conditions."""
    unhealthy = [condition for condition in state.conditions if not condition.healthy]
    for condition in unhealthy:
        yield (
            error(f"{condition.name}: {condition.message}", condition.hint)
            if condition.critical
            else warning(condition.message, condition.hint)
        )
    if not unhealthy:
        names = ", ".join(item.name if item.name == "Ready" else f"no {item.name}" for item in state.conditions)
        yield ok(f"{state.info.node}: {names}" if names else f"{state.info.node} has no warnings")


def runtime(info: RuntimeInfo) -> Iterator[CheckFinding]:
    """`runtime`: it answers, and does not remove pinned images."""
    if info.pins:
        store = ", containerd image store" if info.identity is Identity.ROOT else ""
        yield ok(f"{info.name} {info.version}{store}, {info.platform}")
        return
    text = f"{info.name} {info.version}, {info.platform}: no pinned images before 1.7; the agent imports removed images again"
    yield warning(text, INSTALL)


def short_names(names: Collection[str], info: RuntimeInfo, workloads: Sequence[Workload]) -> Iterator[CheckFinding]:
    """`short-names`: containerd accepts names that the kubelet cannot resolve; pods with such an image do not start."""
    if info.completes_short_names:
        yield skipped("Docker Engine expands short names itself")
        return
    short = [(name, full) for name in sorted(names) if (full := _full(name)) and full != name]
    for name, full in short:
        then = f"ctr -n k8s.io images tag {name} {full}; ctr -n k8s.io images rm {name}"
        yield warning(f"{name} is not a full name: pods with {full} hang in CreateContainerError", then)
    hanging = list(_hanging(workloads))
    for name, good, full in hanging:
        then = f"ctr -n k8s.io images tag {good} {full}; ctr -n k8s.io images rm {full}"
        yield warning(f"{name} cannot start although its image exists: it was imported with a short name", then)
    if not short and not hanging:
        yield ok(f"{len(names)} image names, all of them full")


def _full(name: str) -> str:
    """The name as Kubernetes expands it; empty for what is not a reference, such as IDs that the CRI stores as names."""
    if name.startswith(("sha256:", "sha512:")):
        return ""
    try:
        return str(Reference.parse(name))
    except ReferenceInvalid:
        return ""


def _hanging(workloads: Sequence[Workload]) -> Iterator[tuple[str, str, str]]:
    for workload in workloads:
        warnings = workload.observation.warnings if workload.observation else ()
        if workload.running and any(problem in text for problem in IMAGE_PROBLEMS for text in warnings):
            for lock in workload.running.locks or ():
                base = lock.reference.repository.rpartition("/")[2]
                yield workload.name, lock.name, str(Reference.parse(f"{base}:{lock.reference.tag or 'latest'}"))


def site(state: SiteState) -> Iterator[CheckFinding]:
    """`nodes`: those that keep images are there."""
    if state.known.role == "single":
        yield ok("this box has one node")
        return
    if state.days_left is not None and state.days_left < RENEW / 2:
        yield warning(f"the certificate of this node has {max(state.days_left, 0):.0f} days left", command("agent restart"))
    if state.known.leader:
        yield ok(f"member of {state.known.leader}")
        return
    if state.known.nodes and not state.listen:
        hint = command("config set", "nodes.listen", "0.0.0.0:30500", note="then restart the agent", sudo=True)
        yield warning("there are members, and this leader does not listen for them", hint)
    for item in state.known.nodes:
        if item.node.away:
            yield warning(f"node {item.node.name} is away since {local(item.node.away)}", command("node list"))
        elif item.failed:
            yield warning(f"node {item.node.name} lacks {item.failed} of {item.images} images: {item.why}", command("node list"))
    here = sum(not item.node.away for item in state.known.nodes)
    yield ok(f"{here} of {len(state.known.nodes)} members are there")


SITE = Check("nodes", "Nodes", "A workload is ready when the nodes that may run it have its images.", site, ("site",))
