"""Frozen dataclasses that are made in a third of the time, for the modules that every command imports.

`dataclasses` compiles six methods for each frozen class; sixty classes took 40 % of the time of `workloads list`. Here one is compiled,
`__init__`, and the others are functions that all classes share. What they do is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool) -> Callable[[type[T]], type[T]]:
        """`dataclasses.dataclass(frozen=True)`, without its other options and without inheritance."""
        assert frozen  # noqa: S101  (a mistake of ours)

        def decorate(cls: type[T]) -> type[T]:
            own = vars(cls)
            shared = {"__eq__": _eq, "__repr__": _repr, "__setattr__": _setattr, "__delattr__": _delattr}
            missing = {name: method for name, method in shared.items() if name not in own}
            if own.get("__hash__") is None:
                missing["__hash__"] = _hash
            made = dataclasses.dataclass(eq=False, repr=False)(cls)
            for name, method in missing.items():
                setattr(made, name, method)
            return made

        return decorate


def _compared(instance: Any) -> tuple[Any, ...]:
    return tuple([getattr(instance, field.name) for field in dataclasses.fields(instance) if field.compare])


def _eq(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _repr(self: Any) -> str:
    fields = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({fields})"


def _setattr(self: Any, name: str, value: object) -> None:
    """Each field is set once: `__init__` sets all of them."""
    values = self.__dict__
    if name in values or name not in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    values[name] = value


def _delattr(self: Any, name: str) -> NoReturn:  # noqa: ARG001  (the protocol of Python)
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
