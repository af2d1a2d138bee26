"""What a form of a page sends: its fields, and the revisions that were shown beside it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from kelvin_provision.api.messages.body import content, form_fields
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.orders import MOST_NAMES
from kelvin_provision.api.services import Call
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.spec.enums import NAME, NAME_LENGTH

LARGEST = 1 << 16
_TARGET = re.compile(rf"({NAME.pattern})=([1-9][0-9]{{0,9}})")


@dataclass(frozen=True)
class Form:
    """`digest` is equal for the same form of the same user."""

    fields: dict[str, str] = field(repr=False)
    digest: str

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    @property
    def targets(self) -> tuple[Target, ...]:
        """Of the field `targets`, each workload with the revision that was shown. Raises Refusal."""
        targets = tuple(_target(word) for word in self["targets"].split(" "))
        if len(targets) > MOST_NAMES:
            raise Refusal("bad-body", f"{len(targets)} workloads; the limit is {MOST_NAMES}")
        return targets


async def form_of(call: Call, names: Collection[str], optional: Collection[str] = ()) -> Form:
    """With these fields, perhaps with the optional ones, and no others. Raises Refusal."""
    body = await content(call.request, LARGEST)
    fields = form_fields(call.request, body)
    if set(fields) - set(optional) != set(names):
        raise Refusal("bad-body", f"the form has the fields {', '.join(names) or 'none'}, and no others")
    return Form(fields, call.digest(body))


def _target(word: str) -> Target:
    match = _TARGET.fullmatch(word)
    if match is None or len(match[1]) > NAME_LENGTH:
        raise Refusal("bad-body", f"{word[:60]!r} is not a workload with its revision")
    return Target(match[1], int(match[3]))
