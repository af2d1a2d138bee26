"""docs/manifests.md: what becomes of app manifests and Kubernetes objects, with a table of the files of tests/corpus.

`python -m tests.corpus_page` writes it. Tests compare it, and the table with what the program does.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kelvin_provision.cli.docs import manifests
from kelvin_provision.cli.docs.pages import MADE
from kelvin_provision.spec.manifest_keys import without_effect
from tests.kit import corpus

PAGE = Path(__file__).parents[1] / "docs" / "manifests.md"
TITLES = {
    "charts": "Output of Helm and kustomize",
    "operators": "Operators, DaemonSets, objects of the cluster",
    "controllers": "Controllers, storage, lists, exported objects",
    "pods": "Pods, configuration, YAML",
    "newer": "Only on some clusters",
    corpus.APPS: "App manifests",
    corpus.REFUSED: "Refused",
}
HEAD = """
## Examples

Each of these files is in `tests/corpus`; tests compare what the program does with this table. In every staged version, images are written
with their digest, the pull policy is `IfNotPresent`, pods get this node, objects without a namespace that of the box, and labels and
some defaults are added: what is **rewritten** here is what else is changed. Files with a cluster's life behind them are deployed, compared, checked, applied,
updated, rolled back and undeployed on a real Kubernetes, app manifests on Docker as well.
"""


def page() -> str:
    made = MADE.replace("kelvin_provision.cli.docs.pages", "tests.corpus_page")
    return "".join((*manifests.page(made), HEAD, *_tables()))


def _tables() -> Iterator[str]:
    for group, title in TITLES.items():
        yield f"\n### {title}\n\n| file | what it is | on this box | |\n|---|---|---|---|\n"
        for case in corpus.of_groups(group):
            cells = (f"`{Path(case.file).name}`", case.about, case.outcome, _more(case))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |\n"


def _more(case: corpus.Case) -> str:
    if case.refused:
        return case.refused
    kept = without_effect(case.documents()[0].value["payload"]) if case.given == "payload" else ()
    without = [f"without effect: {', '.join(f'`{key}`' for key in kept)}"] if kept else []
    return "; ".join((*filter(None, [case.rewritten]), *without, *(f"warning: {text}" for text in case.warnings if not case.rewritten)))


def rewritten(given: Iterable[Any], made: Iterable[Any]) -> str:
    """How the objects of a request differ from what is applied; what is only added, and digests of images, are not told."""
    by_identity = {_identity(item): item for item in made}
    dropped: dict[str, None] = {}
    changed: dict[str, None] = {}
    for item in given:
        for path, value in _changes(item, by_identity.get(_identity(item)), ()):
            (dropped if value is None else changed)[path if value is None else f"`{path}` is `{value}`"] = None
    return "; ".join((*changed, *([f"left out: {', '.join(dropped)}"] if dropped else ())))


def _identity(item: Any) -> tuple[str, str, str]:
    return item["kind"], item["apiVersion"], item["metadata"]["name"]


def _changes(given: Any, made: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Each with the value that it has now, None for nothing."""
    if not path and made is None:
        yield f"{given['kind']}/{given['metadata']['name']}", None
    elif isinstance(given, dict):
        for key, value in given.items():
            if value is None:
                yield "keys without a value", None
            elif not isinstance(made, dict) or key not in made:
                yield f"`{'.'.join((*path, key))}`", None
            else:
                yield from _changes(value, made[key], (*path, key))
    elif isinstance(given, list) and isinstance(made, list) and len(given) == len(made):
        for one, other in zip(given, made, strict=True):
            yield from _changes(one, other, path)
    elif given != made and path[-1] not in {"image", "reference"}:
        yield path[-1], made


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"written: {PAGE.name}", file=sys.stdout)
