"""Bring requests and images from a medium to this box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.commands.bundle.place import Expect, Places
from kelvin_provision.cli.frame.arguments import Yes
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Item, Report
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.usecases.bundles.import_plan import PlannedWorkload
    from kelvin_provision.usecases.bundles.importing import ImportPlan, ImportResult

_IMAGES_ONLY = Option("--images-only/--deploy", help="Copy the images and keep them until `images prune`, without the requests.")
_OLDER = Option("--allow-older", help="Import it although a newer bundle of the same signer was imported before.")
_LATEST = Option("--allow-latest", help="Accept an image whose tag can change: `latest`, or no tag.")


def command(
    session: Session,
    place: Places,
    *,
    expect: Expect = "",
    images_only: Annotated[bool, _IMAGES_ONLY] = False,
    allow_latest: Annotated[bool, _LATEST] = False,
    allow_older: Annotated[bool, _OLDER] = False,
    yes: Yes = False,
) -> Report:
    """Bring requests and images from a medium to this box.

    Shows what the bundle brings, asks, and stores its requests as staged versions; no registry is needed. The agent copies the layers
    from the medium: leave it in until they are ready. If it is pulled out, the agent waits for it, and continues where it stopped.
    Further parts may come later, on other media. Nothing is stored of a bundle that is not trusted, is for another box, does not fit, or
    is older than the newest one of its signer (--allow-older).
    """
    from kelvin_provision.cli.frame.box import context_of, operating
    from kelvin_provision.cli.frame.confirm import confirm
    from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan

    request = ImportRequest(tuple(place), expect, images_only=images_only, allow_latest=allow_latest, allow_older=allow_older)
    with context_of(session) as ctx:
        planned = plan(ctx, request)
    planned.refuse_older()
    confirm(_question(planned), yes=yes or planned.head is None, goes=[*_believed(planned), *_lines(planned), *planned.warnings])
    with operating(session) as ctx:
        result = carry_out(ctx, planned)
    return _report(result)


def _question(planned: ImportPlan) -> str:
    signers = ", ".join(signer.text for signer in planned.accepted.signers)
    count = len(planned.images)
    images = f"{count} image{'' if count == 1 else 's'}, {format_bytes(planned.new_bytes)} of them new"
    return f"this will import the bundle {planned.contents.name}, {f'signed by {signers}' if signers else 'not signed'}: {images}"


def _believed(planned: ImportPlan) -> list[str]:
    """What the box will believe from then on."""
    return [f"trust document {step.document.number}, signed by {', '.join(step.signed_by)}" for step in planned.accepted.steps]


def _lines(planned: ImportPlan) -> list[str]:
    if planned.request.images_only:
        return [f"{image.reference}, {format_bytes(image.new)} of {format_bytes(image.size)} new" for image in planned.images]
    return [f"{workload.name}: {_change(workload)}, {workload.method.value}" for workload in planned.workloads]


def _change(workload: PlannedWorkload) -> str:
    staged = f" (replaces {workload.staged}, which is staged)" if workload.staged else ""
    return f"{workload.app_name} {workload.running or 'new'} -> {workload.version}{staged}"


def _report(result: ImportResult) -> Report:
    planned = result.plan
    changes = {workload.name: workload for workload in planned.workloads}
    items = [
        Item("workload", revision.workload, "accepted", f"{_change(changes[revision.workload])}, {changes[revision.workload].method.value}")
        for revision in result.revisions
    ]
    items += [
        Item("trust document", str(step.document.number), "accepted", f"signed by {', '.join(step.signed_by)}")
        for step in planned.accepted.steps
    ]
    items += [Item("image", str(lock.reference), "kept", format_bytes(lock.size)) for lock in result.images]
    items += [Item("file", str(path), "left", "for the desk") for path in result.left]
    files = ", ".join(map(str, planned.files.paths.values()))
    items.append(Item("bundle", planned.contents.name, "imported" if planned.head else "continued", files))
    document = {
        "schema": SCHEMA,
        "command": "bundle import",
        "status": "success",
        "items": [{"kind": item.kind, "name": item.name, "outcome": item.outcome, "detail": item.detail} for item in items],
        **result.to_json(),
        "warnings": list(result.warnings),
    }
    names = tuple(revision.workload for revision in result.revisions)
    return Report("bundle import", tuple(items), document=document, warnings=result.warnings, names=names)
