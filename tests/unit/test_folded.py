"""Folded fields are what they were."""

import copy
import dataclasses
import json

import pytest

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows.folding import Folding
from kelvin_provision.spec.folded import MANY, fold, foldable, set_folded, unfold
from kelvin_provision.spec.workload import Spec
from tests.kit.many import many
from tests.kit.specs import spec

COUNT = MANY + 20


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger(many(tmp_path_factory.mktemp("many") / "ledger.db", COUNT, staged=COUNT)) as opened:
        yield opened


def is_folded(value, field):
    return field not in vars(value)


def test_of_many_workloads_the_large_fields_are_folded_and_equal(ledger):
    kept = ledger.readable_staged()
    plain = list(ledger.each())
    assert (len(plain), kept.damaged) == (COUNT, {})
    for one, other in zip(kept.workloads.values(), plain, strict=True):
        assert one == other
        assert repr(one) == repr(other)
        for mine, its in ((one.running, other.running), (one.staged, other.staged)):
            assert mine.spec.to_json() == its.spec.to_json()
            assert (mine.digest, mine.local_names, mine.slot, type(mine.locks)) == (its.digest, its.local_names, its.slot, tuple)
            assert dataclasses.replace(mine, failure="late") == dataclasses.replace(its, failure="late")
        assert is_folded(one.staged, "locks")
        assert is_folded(one.staged.spec, "payload")
        assert is_folded(one.running, "objects")
        assert not is_folded(other.staged, "locks")


def test_what_is_not_there_is_not_folded(ledger):
    staged = next(iter(ledger.readable_staged().workloads.values())).staged
    assert (staged.objects, is_folded(staged, "objects")) == (None, False)


def test_a_copy_of_a_folded_value_is_equal():
    whole = Spec.from_json(json.loads(json.dumps(spec("pump").to_json())))
    folded = copy.copy(whole)
    folded.fold(fold(json.dumps(whole.to_json())))
    assert is_folded(folded, "system")
    assert folded == copy.copy(folded) == copy.deepcopy(folded) == whole
    assert dataclasses.asdict(folded) == dataclasses.asdict(whole)
    with pytest.raises(dataclasses.FrozenInstanceError):
        folded.system = whole.system


def test_equal_texts_are_there_once():
    folding = Folding()
    first, second = (folding.texts(Spec.from_json(json.loads(json.dumps(spec(name).to_json())))) for name in ("pump", "fan"))
    assert first.app_version is second.app_version


def test_a_field_of_several_and_of_none():
    @dataclasses.dataclass(frozen=True)
    class Pair:
        left: list[int]
        right: list[int] | None = None

    foldable(Pair, left=unfold, right=unfold)
    pair = Pair([1, 2])
    set_folded(pair, left=fold("[1, 2]"), right=None)
    assert (pair, pair.left, pair.right) == (Pair([1, 2]), [1, 2], None)
    with pytest.raises(AttributeError):
        _ = Pair.left
    with pytest.raises(AttributeError):
        _ = object.__new__(Pair).left
