"""Whether the registries answer, and accept this box's logins: `doctor --online`. The only check that needs the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kelvin_provision.check_result import CheckFinding, ok, skipped, warning
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.model import Workload
from kelvin_provision.refs import Reference
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.images import images_of
from kelvin_provision.staging.threads import SIDE_BY_SIDE, side_by_side


@dataclass(frozen=True)
class Greeting:
    """What came of asking a registry; `error` is None where it answered."""

    host: str
    error: ProvisionError | None = None


def hosts(settings: Settings, workloads: Iterable[Workload]) -> list[str]:
    """That images come from: the setting `registry`, those of running and staged versions, and the mirrors of all of these."""
    revisions = [revision for workload in workloads for revision in (workload.running, workload.staged) if revision]
    images = [Reference.parse(image).host for revision in revisions for image in images_of(revision.spec)]
    names = [*([settings.registry.partition("/")[0]] if settings.registry else []), *images]
    mirrors = [mirror.partition("/")[0] for name in names if name in settings.registries for mirror in settings.registries[name].mirrors]
    return list(dict.fromkeys([*names, *mirrors]))


def greet_all(greet: Callable[[str], None], names: Sequence[str]) -> tuple[Greeting, ...]:
    """Ask them side by side."""
    results = side_by_side(greet, names, limit=SIDE_BY_SIDE)
    for result in results.values():
        if isinstance(result, BaseException) and not isinstance(result, ProvisionError):
            raise result
    return tuple(Greeting(name, error if isinstance(error := results[name], ProvisionError) else None) for name in names)


def registries(greetings: Sequence[Greeting]) -> Iterator[CheckFinding]:
    """`registries`: each of them, by name."""
    if not greetings:
        yield skipped("no registry is set, and no image comes from one")
    answering = [greeting.host for greeting in greetings if greeting.error is None]
    for greeting in greetings:
        if greeting.error is not None:
            yield warning(str(greeting.error), greeting.error.hint)
    if answering and len(answering) == len(greetings):
        yield ok(f"{', '.join(answering)}: {'answers' if len(answering) == 1 else 'answer'}")
