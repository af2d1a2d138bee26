"""What a change does on the server, and whether the server lets us. Pure; who asks is `kubernetes.survey`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kelvin_provision.spec.workload import Object

CHANGING = ("get", "list", "create", "patch", "delete")
ALWAYS = (
    ("", "pods", ("get", "list", "watch", "create")),  # created in dry runs only: what admission says of them
    ("", "events", ("list", "watch")),
    ("apps", "deployments", ("list", "watch")),
    ("", "configmaps", ("get", "list", "create", "patch", "delete")),
)
LOG = ("", "pods/log", "get")


class Right(NamedTuple):
    """One verb on one resource; `namespaced` as the resource is."""

    group: str
    resource: str
    verb: str
    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


def needed(resources: Iterable[tuple[str, str, bool]]) -> tuple[Right, ...]:
    """What an apply of objects of these resources (group, plural name, namespaced) does, and what waiting for them does."""
    found = [Right(group, name, verb) for group, name, verbs in ALWAYS for verb in verbs]
    found += [Right(group, name, verb, namespaced) for group, name, namespaced in resources for verb in CHANGING]
    return tuple(sorted({*found, Right(*LOG)}))


def granted(right: Right, rules: Sequence[Object]) -> bool:
    """Whether one of the rules of a SelfSubjectRulesReview covers it. A rule for certain names only does not."""
    return any(
        _in(right.group, rule.get("apiGroups")) and _in(right.resource, rule.get("resources")) and _in(right.verb, rule.get("verbs"))
        for rule in rules
        if not rule.get("resourceNames")
    )


def _in(word: str, words: Sequence[str] | None) -> bool:
    return bool({"*", word} & {*(words or ())})


def in_words(rights: Iterable[Right]) -> Iterator[str]:
    """`create, patch deployments.apps`: one text for each resource."""
    by: dict[str, list[str]] = {}
    for right in sorted(rights):
        verb, _, what = str(right).partition(" ")
        by.setdefault(what, []).append(verb)
    yield from (f"{', '.join(verbs)} {what}" for what, verbs in by.items())


def review(namespace: str) -> Object:
    """The question for all rules of a namespace at once."""
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}


def question(right: Right, namespace: str) -> Object:
    """The question for one right."""
    resource, _, below = right.resource.partition("/")
    asked: Mapping[str, str] = {"group": right.group, "resource": resource, "subresource": below, "verb": right.verb} | (
        {"namespace": namespace} if right.namespaced else {}
    )
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": dict(asked)}}
