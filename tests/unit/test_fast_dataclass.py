"""The shared methods do what the compiled ones of `dataclasses` do."""

import copy
import dataclasses

import pytest

from kelvin_provision.fast_dataclass import dataclass


@dataclass(frozen=True)
class Fast:
    name: str
    secret: str = dataclasses.field(default="", repr=False)
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True)
class Usual:
    name: str
    secret: str = dataclasses.field(default="", repr=False)
    note: str = dataclasses.field(default="", compare=False)


@pytest.mark.parametrize("kind", [Fast, Usual])
def test_comparing_hashing_and_printing(kind):
    assert kind("a", "s", "n") == kind("a", "s", "other")
    assert (kind("a") == kind("b"), kind("a") == ("a", "", ""), kind("a") != kind("a", "s")) == (False, False, True)
    assert hash(kind("a", "s", "n")) == hash(kind("a", "s", "other")) == hash(("a", "s"))
    assert repr(kind("a", "s", "n")) == f"{kind.__name__}(name='a', note='n')"
    assert dataclasses.replace(kind("a"), name="b") == kind("b")
    assert dataclasses.asdict(kind("a")) == {"name": "a", "secret": "", "note": ""}
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind("a").name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind("a").other = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del kind("a").name
    assert copy.deepcopy(kind("a", "s")) == copy.copy(kind("a", "s")) == kind("a", "s")
    match kind("a", "s"):
        case Fast(name, secret) | Usual(name, secret):
            assert (name, secret) == ("a", "s")


def test_it_is_made_like_any_other_class():
    assert (Fast(name="a").note, Fast("a", note="n").note, vars(Fast("a", "s"))) == ("", "n", {"name": "a", "secret": "s", "note": ""})
    for wrong in ({}, {"name": "a", "more": 1}):
        with pytest.raises(TypeError, match=r"Fast\.__init__\(\)"):
            Fast(**wrong)

    @dataclass(frozen=True)
    class Checked:
        parts: list = dataclasses.field(default_factory=list)

        def __post_init__(self):
            self.parts.append("checked")

    assert (Checked().parts, Checked(["a"]).parts, Checked().parts) == (["checked"], ["a", "checked"], ["checked"])


def test_a_method_of_the_class_itself_stays():
    @dataclass(frozen=True)
    class Named:
        name: str

        def __repr__(self):
            return self.name

        def __hash__(self):
            return 7

    assert (repr(Named("a")), hash(Named("a")), Named("a") == Named("a")) == ("a", 7, True)
