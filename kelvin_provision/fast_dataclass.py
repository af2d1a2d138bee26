"""Frozen dataclasses that are made in a third of the time, for the modules that every command imports.

`dataclasses` compiles six methods for each frozen class; sixty classes took 40 % of the time of `workloads list`. Here one is compiled,
`__init__`, when the first instance is made: a command makes instances of half of the classes that it imports. The others are functions
that all classes share. What they do is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["FOLDED", "checked", "dataclass"]

T = TypeVar("T")
FOLDED = "(folded)"
"""Among an instance's values: the texts of its folded fields (`spec.folded`), in the order in which its class names them. One key, so
that instances go on sharing theirs.
"""

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
            if not own.get("__doc__"):
                cls.__doc__ = cls.__name__  # `dataclasses` would write a signature there
            made = dataclasses.dataclass(init=False, eq=False, repr=False)(cls)
            for name, method in missing.items():
                setattr(made, name, method)
            made.__init__ = _init_later(made)  # type: ignore[misc]
            return made

        return decorate


def _init_later(cls: type) -> Callable[..., None]:
    """An `__init__` that replaces itself by the compiled one when it is first called."""

    def first(self: Any, *values: Any, **named: Any) -> None:
        compiled = _init(cls)
        cls.__init__ = compiled  # type: ignore[misc]
        compiled(self, *values, **named)

    return first


def _init(cls: type) -> Callable[..., None]:
    parameters, lines = list[str](), ["values = self.__dict__"]
    names: dict[str, Any] = {"_absent": dataclasses.MISSING}
    for field in dataclasses.fields(cls):
        name, default = field.name, f"_default_{field.name}"
        value = name
        if field.default_factory is not dataclasses.MISSING:
            names[default] = field.default_factory
            parameters.append(f"{name}=_absent")
            value = f"{default}() if {name} is _absent else {name}"
        elif field.default is not dataclasses.MISSING:
            names[default] = field.default
            parameters.append(f"{name}={default}")
        else:
            parameters.append(name)
        lines.append(f"values[{name!r}] = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(lines), names)  # noqa: S102  (of names in our source)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def checked(cls: type[T], document: Mapping[str, Any]) -> T:
    """An instance from a stored document; raises TypeError for other fields, and for simple values of another type.

    Compound fields, which are not in the tables, are for the caller.
    """
    instance = cls(**document)
    values = instance.__dict__
    simple, lists = _CHECKS.get(cls) or _CHECKS.setdefault(cls, _checks(cls))
    for name, kinds in simple:
        if type(values[name]) not in kinds:
            raise TypeError(f"{cls.__name__}.{name}")
    for name, fits in lists:
        if values[name] and not fits(values[name]):
            raise TypeError(f"{cls.__name__}.{name}")
    return instance


_Checks = tuple[list[tuple[str, frozenset[Any]]], list[tuple[str, Callable[[Any], bool]]]]
_CHECKS: dict[type, _Checks] = {}
_KINDS: dict[str, frozenset[Any]] = {
    "str": frozenset({str}),
    "str | None": frozenset({str, type(None)}),
    "int": frozenset({int}),
    "int | None": frozenset({int, type(None)}),
    "bool": frozenset({bool}),
    "dict[str, Any]": frozenset({dict}),
    "tuple[str, ...]": frozenset({tuple}),
    "tuple[Object, ...]": frozenset({tuple}),
}
_LISTS: dict[str, Callable[[Any], bool]] = {
    "tuple[str, ...]": lambda value: all(type(item) is str for item in value),
    "tuple[Object, ...]": lambda value: all(type(item) is dict for item in value),
    "tuple[tuple[str, str], ...]": lambda value: all(type(item) is str for pair in value for item in pair),
    "tuple[int, str] | None": lambda value: [type(item) for item in value] == [int, str],
}


def _checks(cls: type) -> _Checks:
    fields = cls.__annotations__.items()
    simple = [(name, _KINDS[annotation]) for name, annotation in fields if annotation in _KINDS]
    return simple, [(name, _LISTS[annotation]) for name, annotation in fields if annotation in _LISTS]


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
    """Each field is set once: `__init__` sets all of them. Then some may be `FOLDED`."""
    values = self.__dict__
    if name in values or name not in self.__dataclass_fields__ or FOLDED in values:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    values[name] = value


def _delattr(self: Any, name: str) -> NoReturn:  # noqa: ARG001  (the protocol of Python)
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
