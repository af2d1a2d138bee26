"""Checks of the node and its container runtime. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.cluster.survey import ClusterState
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.hints import command
from kelvin_provision.ledger.model import Workload
from kelvin_provision.refs import Reference
from kelvin_provision.runtimes.protocol import RuntimeInfo

INSTALL = command("agent install")
IMAGE_PROBLEMS = ("CreateContainerError", "failed to get image", "failed to resolve image")


def node(found: ClusterState) -> Iterator[CheckFinding]:
    """`node`: what it says of itself."""
    poor = [one for one in found.conditions if not one.healthy]
    for one in poor:
        yield error(f"{one.name}: {one.message}", one.hint) if one.critical else warning(one.message, one.hint)
    if not poor:
        names = ", ".join(one.name if one.name == "Ready" else f"no {one.name}" for one in found.conditions)
        yield ok(f"{found.info.node}: {names}" if names else f"{found.info.node} has no warnings")


def runtime(info: RuntimeInfo) -> Iterator[CheckFinding]:
    """`runtime`: it answers, and protects what is pinned."""
    if info.pins:
        yield ok(f"{info.name} {info.version}, {info.platform}")
        return
    text = f"{info.name} {info.version}, {info.platform}: no pinned images before 1.7; the agent imports removed images again"
    yield warning(text, INSTALL)


def short_names(names: Collection[str], info: RuntimeInfo, workloads: Sequence[Workload]) -> Iterator[CheckFinding]:
    """`short-names`: containerd takes a name that the kubelet cannot resolve, and pods of that name hang from then on."""
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
    """The name that Kubernetes makes of it; empty for what is no reference, such as the IDs that the CRI keeps as names."""
    if name.startswith(("sha256:", "sha512:")):
        return ""
    try:
        return str(Reference.parse(name))
    except ReferenceInvalid:
        return ""


def _hanging(workloads: Sequence[Workload]) -> Iterator[tuple[str, str, str]]:
    for one in workloads:
        warnings = one.observation.warnings if one.observation else ()
        if one.running and any(word in text for word in IMAGE_PROBLEMS for text in warnings):
            for lock in one.running.locks or ():
                base = lock.reference.repository.rpartition("/")[2]
                yield one.name, lock.name, str(Reference.parse(f"{base}:{lock.reference.tag or 'latest'}"))
