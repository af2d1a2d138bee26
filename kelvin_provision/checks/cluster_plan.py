"""Checks of an apply against the cluster: plan, permissions, resources, ports, pull policies, secrets. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from kelvin_provision.applying.assess import Facts, MissingSecret, port_findings
from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.checks.images import Staged
from kelvin_provision.cluster.plan import Finding, Op, Plan
from kelvin_provision.cluster.survey import ClusterState, ResourceDemand, Survey
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.hints import command, system
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Reference
from kelvin_provision.refusals import hint_for
from kelvin_provision.spec.enums import Method

OWN_CHECKS = {"unknown-kind": "kinds", "port-taken": "ports", "namespace-terminating": "namespace", "image-missing": "images"}
"""Findings of a plan that have their own check; all others belong to `dry-run`."""


def namespace(state: ClusterState) -> Iterator[CheckFinding]:
    """`namespace`: it exists or will be created; not terminating."""
    if state.namespace == "Terminating":
        yield error("the namespace is being deleted; nothing can be created in it", "kubectl get namespace, until it is gone; then apply")
    elif state.namespace == "missing":
        yield ok("does not exist yet; apply creates it")
    else:
        yield ok("active" if state.namespace else "this cluster has no namespaces")


def namespaces(state: ClusterState, plan: Plan) -> Iterator[CheckFinding]:
    """`namespace`: the box's, and those that the objects of a workload name."""
    elsewhere = _of(plan, "namespace") if state.namespace != "Terminating" else []
    if not elsewhere:
        yield from namespace(state)
    for finding in elsewhere:
        yield error(f"{finding.message}; nothing can be created in it", hint_for(finding.code), finding.workload)


def kinds(plan: Plan) -> Iterator[CheckFinding]:
    """`kinds`: API versions and definitions."""
    if _of(plan, "namespace"):
        yield skipped("skipped: see namespace")
        return
    yield from _findings(plan, "kinds")
    if not _of(plan, "kinds"):
        yield ok("all kinds are known, or are defined in the request")


def dry_run(plan: Plan) -> Iterator[CheckFinding]:
    """`dry-run`: the server accepts every object and a pod of each template."""
    if _of(plan, "namespace"):
        yield skipped("skipped: see namespace")
        return
    yield from _findings(plan, "dry-run")
    if not _of(plan, "dry-run"):
        many = [change.op for change in plan.changes]
        words = [f"{many.count(op)} {word}" for op, word in _WORDS if many.count(op)]
        yield ok(f"accepted: {', '.join(words) or 'nothing to do'}")


_WORDS = ((Op.CREATE, "to create"), (Op.UPDATE, "to update"), (Op.DELETE, "to remove"), (Op.KEEP, "unchanged"))


def ports(plan: Plan, survey: Survey) -> Iterator[CheckFinding]:
    """`ports`: of the node; within the set, with other pods and with other programs."""
    yield from _findings(plan, "ports")
    conflicts = list(port_findings(Facts(plan=plan, survey=survey)))
    for finding in conflicts:
        yield error(finding.message, "find the program with `ss -lntup`, then stop it or deploy with another port", finding.workload)
    if not conflicts and not _of(plan, "ports") and not _of(plan, "namespace"):
        yield ok("no port conflicts")


def _of(plan: Plan, check: str) -> list[Finding]:
    return [finding for finding in plan.findings if OWN_CHECKS.get(finding.code, "dry-run") == check]


def _findings(plan: Plan, check: str) -> Iterator[CheckFinding]:
    for finding in _of(plan, check):
        yield error(str(finding), finding.hint or hint_for(finding.code), finding.workload)


def node(survey: Survey, state: ClusterState) -> Iterator[CheckFinding]:
    """`node`: its conditions, and its taints against the tolerations of the pods. A cordoned node has a taint."""
    unhealthy = [condition for condition in state.conditions if not condition.healthy and condition.critical]
    for condition in unhealthy:
        yield error(f"node {state.info.node}: {condition.name}: {condition.message}", condition.hint)
    cordoned = next((condition for condition in state.conditions if condition.name == "Schedulable" and not condition.healthy), None)
    for pods in survey.unplaceable:
        if cordoned and any("unschedulable" in taint for taint in pods.taints):
            yield error(f"{pods.object}: node {state.info.node}: {cordoned.message}", cordoned.hint, pods.workload)
        else:
            yield error(str(pods), system("kubectl", "describe", "node", pods.node or state.info.node), pods.workload)
    if not unhealthy and not survey.unplaceable:
        yield ok(f"{state.info.node}: no condition, taint or node selector prevents the pods from starting")


def room(survey: Survey, state: ClusterState) -> Iterator[CheckFinding]:
    """`room`: for new pods, if they start beside the old ones."""
    tight = [demand for demand in survey.resources if demand.requested > demand.available]
    for demand in tight:
        requested, available = _amount(demand, demand.requested), _amount(demand, demand.available)
        if survey.enforces_requests:
            where = f"node {state.info.node} has" if len(survey.room_of) < 2 else f"nodes {', '.join(survey.room_of)} together have"
            text = f"new pods need {requested} in addition to the running ones; {where} {available} left"
            yield error(
                text, "find the largest users with `kubectl describe node`; stop a workload, or lower its requests and deploy again"
            )
        else:
            yield warning(f"new containers may take {requested}; this box has {available} left", "free -h")
    if not tight:
        words = "; ".join(f"{_amount(demand, demand.requested)}, {_amount(demand, demand.available)} free" for demand in survey.resources)
        yield ok(words or "no resources requested")


def _amount(room: ResourceDemand, value: float) -> str:
    value = max(value, 0.0)
    if room.resource == "memory":
        return f"{format_bytes(value)} of memory"
    return f"{round(value, 3):g} CPU" if room.resource == "cpu" else f"{value:.0f} pod{'' if value == 1 else 's'}"


def rights(survey: Survey) -> Iterator[CheckFinding]:
    """`rights`: all needed permissions are granted."""
    for text in survey.denied:
        yield error(f"not allowed: {text}", command("config show", instruction="run as root, or use a kubeconfig with these permissions"))
    if not survey.denied:
        yield ok(
            "access to the engine's socket" if survey.allowed is None else f"all {survey.allowed} permissions that apply and rollback need"
        )


def pull_policy(staged: Sequence[Staged], survey: Survey, plan: Plan, names: Collection[str]) -> Iterator[CheckFinding]:
    """`pull-policy`: no pod pulls from a registry, also after admission. `names`: images of the runtime."""
    pulled = {revision.workload for revision in staged if revision.method is Method.STANDARD}
    asking = [use for use in survey.images if use.workload not in pulled and (use.pull_policy == "always" or not use.pinned)]
    for use in asking:
        why = "is pulled at every start (Always)" if use.pull_policy == "always" else "has a tag instead of a digest"
        yield error(f"{use.container}: {use.image} {why}", "correct the request, then deploy again", use.workload)
    for workload in sorted(pulled):
        text = "deployed without staging: the cluster pulls the images itself and needs a network"
        yield warning(text, command("workloads deploy", "--staged", "-f", "FILE"), workload)
    admitted = [image for image in plan.admitted if image.workload not in pulled]
    there = {_full(name) for name in names}
    for image in admitted:
        if image.added and not image.always and _full(image.image) in there:
            text = f"{image.container}: admission adds {image.image}, which is in the runtime but not pinned"
            yield warning(text, _ADMISSION, image.workload)
        else:
            yield error(str(image), _ADMISSION, image.workload)
    if survey.images and not asking and not pulled and not admitted:
        yield ok(f"{len(survey.images)} container{'' if len(survey.images) == 1 else 's'} by digest, none pulls from a registry")
    if not survey.images and not pulled:
        yield skipped("no containers")


_VERIFICATION = (
    "set `imagePullCredentialsVerificationPolicy: NeverVerifyPreloadedImages` in the kubelet's configuration, then restart the kubelet"
)
_ADMISSION = "exempt this namespace from the webhook or from the AlwaysPullImages plugin, or add the image to the request"


def _full(name: str) -> str:
    try:
        return str(Reference.parse(name))
    except ReferenceInvalid:
        return name


def credentials(survey: Survey, before: Mapping[str, frozenset[str]], state: ClusterState) -> Iterator[CheckFinding]:
    """`credentials`: some kubelets do not let a pod without a login use an image that was pulled with one. `before`: hosts by workload."""
    for use in survey.images:
        if use.image in survey.always_verified:
            why = "the kubelet asks the registry even for images that are already on the node"
            text = f"{use.container}: {why}, so the container cannot start offline"
            yield warning(text, _VERIFICATION, use.workload)
    lost = [use for use in survey.images if not use.has_login and use.host in before.get(use.workload, frozenset())]
    for use in lost:
        text = f"{use.container}: the running version has a login for {use.host}, the new one has none"
        if survey.verifies_credentials:
            yield warning(
                f"{text}; {state.info.version} may refuse the image offline", f"docker login {use.host}, then deploy again", use.workload
            )
    if not survey.verifies_credentials:
        yield ok(f"{state.info.type} {state.info.version} does not verify credentials for images on the node")
    elif not lost and not survey.always_verified:
        yield ok("every pod has the same logins as before")


def secrets(named: int, missing: Sequence[MissingSecret]) -> Iterator[CheckFinding]:
    """`secrets`: all referenced secrets exist on this box."""
    for secret in missing:
        yield error(str(secret.error), secret.error.hint, secret.workload)
    if not missing:
        yield ok(f"{named} referenced, all exist" if named else "none referenced")
