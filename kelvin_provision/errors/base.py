"""The root of all errors. An error is a sentence, a code, an exit code of sysexits(3) and a hint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kelvin_provision.wait_reason import WaitReason

from kelvin_provision.hints import Hint


class ProvisionError(Exception):
    """The root: never raised itself. `evidence` holds short lines gathered before anything was undone."""

    code: ClassVar[str] = ""
    exit_code: ClassVar[int] = 0
    hint_default: ClassVar[Hint | str] = ""
    temporary: ClassVar[bool] = False
    of_box: ClassVar[bool] = False
    """Whether it says something of this box alone, whatever was asked for: its disk, permissions, settings or state."""
    wait_reason: WaitReason | None = None
    """What has to be waited for, where that is more than the message."""
    blob: str = ""
    """The digest of the blob whose download ended with it."""

    def __init__(self, message: str, *, hint: Hint | str = "", evidence: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.hint = Hint.of(hint or self.hint_default)
        self.evidence = tuple(evidence)


@contextmanager
def hinted(hints: Mapping[type[ProvisionError], Hint | str]) -> Iterator[None]:
    """In the block, or the function, an error of these classes that says only the usual thing says what fits here.

    Where an error arises, it is not known whether an agent tries again, a command continues, or has to be typed again.
    """
    try:
        yield
    except ProvisionError as error:
        if type(error) in hints and error.hint == Hint.of(error.hint_default):
            error.hint = Hint.of(hints[type(error)])
        raise


def leaves(cls: type[ProvisionError] = ProvisionError) -> Iterator[type[ProvisionError]]:
    """Every class that can be raised: the ones with a code."""
    for child in cls.__subclasses__():
        if child.code:
            yield child
        yield from leaves(child)
