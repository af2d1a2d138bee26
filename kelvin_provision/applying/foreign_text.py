"""Messages of the cluster and the runtime may quote objects with secrets: they are masked before they are raised or stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from kelvin_provision.cluster.plan import Plan
from kelvin_provision.cluster.protocol import Health, Phase
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, WorkloadUnknown
from kelvin_provision.events import Event, Finished, Progress
from kelvin_provision.ledger.model import Operation
from kelvin_provision.masking.documents import secrets_in
from kelvin_provision.masking.redactor import mask_text
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object

Objects = Mapping[str, Sequence[Object]]
"""By workload."""


@contextmanager
def masking(ctx: Context, objects: Objects) -> Iterator[None]:
    """Mask the secrets of these objects in the message and evidence of errors that leave the block."""
    try:
        yield
    except ProvisionError as error:
        mask_error(error, secrets_of(ctx, objects))
        raise


@contextmanager
def masking_operation(ctx: Context, operation: Operation) -> Iterator[None]:
    """As `masking`, for the objects of all revisions that the operation is about."""
    try:
        yield
    except ProvisionError as error:
        mask_error(error, operation_secrets(ctx, operation))
        raise


def mask_error(error: ProvisionError, secrets: Sequence[str] = ()) -> None:
    error.args = (mask_text(str(error), secrets),)
    error.evidence = tuple(mask_text(line, secrets) for line in error.evidence)


def masked_progress(ctx: Context, secrets: Callable[[], Sequence[str]]) -> Progress:
    """The context's progress, without these secrets in the cluster's words. They are only looked up where there are such words."""

    def report(event: Event) -> None:
        if isinstance(event, Finished) and event.detail:
            event = replace(event, detail=mask_text(event.detail, secrets()))
        ctx.progress(event)

    return report


def masked_plan(ctx: Context, plan: Plan, objects: Objects) -> Plan:
    """The plan with its findings masked."""
    if not plan.findings:
        return plan
    secrets = secrets_of(ctx, objects)
    findings = tuple(replace(finding, message=mask_text(finding.message, secrets)) for finding in plan.findings)
    return replace(plan, findings=findings)


def masked_health(ctx: Context, operation: Operation, health: Mapping[str, Health]) -> Mapping[str, Health]:
    """What the cluster says of workloads that are not up, masked."""
    if all(state.phase is Phase.READY for state in health.values()):
        return health
    secrets = operation_secrets(ctx, operation)
    return {name: replace(state, why=mask_text(state.why, secrets)) for name, state in health.items()}


def operation_secrets(ctx: Context, operation: Operation) -> tuple[str, ...]:
    """Every secret of the revisions that the operation goes from and to."""
    steps = operation.steps
    return secrets_of_revisions(ctx, [(step.workload, number) for step in steps for number in (step.before, step.after) if number])


def secrets_of_revisions(ctx: Context, numbers: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """As `secrets_of`, for the objects of these revisions. One that is no longer known has none."""
    objects: dict[str, tuple[Object, ...]] = {}
    for name, number in numbers:
        with suppress(WorkloadUnknown):
            objects[f"{name} {number}"] = ctx.ledger.revision(name, number).objects or ()
    return secrets_of(ctx, objects)


def secrets_of(ctx: Context, objects: Objects) -> tuple[str, ...]:
    """Every secret that these objects contain or refer to."""
    documents = [document for group in objects.values() for document in group]
    return tuple({*_referenced(ctx, documents), *secrets_in(documents)})


def _referenced(ctx: Context, documents: Iterable[Object]) -> Iterator[str]:
    for name in dict.fromkeys(references_in(list(documents))):
        try:
            yield ctx.lookup(name)
        except ProvisionError:
            continue  # what is not on this box was not sent
