"""Which delta of a layer is used: the smallest whose layers are here, if it saves enough of what is still to come."""

from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.deltas import LayerPlan, LayerRecord, use_of
from kelvin_provision.staging.deltas.choosing import Missing, choose, still_good
from tests.kit.images import OCI_LAYER, sha256

LAYER = Descriptor(OCI_LAYER, sha256(b"layer"), 1_000_000)
DIFF_ID = sha256(b"plain")
HERE, AWAY = sha256(b"here"), sha256(b"away")
NEEDS_OTHERS = "the deltas that there are need versions that this box does not have"


def delta(name, size, needs=(HERE,), diff_id=DIFF_ID, replaces=LAYER.digest):
    return DeltaLayer(Descriptor("x", sha256(name.encode()), size), diff_id, 3_000_000, needs, replaces, 1)


def offered(*layers):
    return layers


def chosen(*layers, left=LAYER.size, refused=(), **options):
    choice = choose(
        Missing(LAYER, DIFF_ID, left, [sha256(name.encode()) for name in refused]), offered(*layers), {HERE}.__contains__, **options
    )
    return choice.plan.delta.size if choice.plan else choice.reason


def test_the_smallest_whose_layers_are_here():
    assert chosen() == ""
    assert chosen(delta("a", 500), delta("b", 400), delta("c", 300, (AWAY,)), delta("d", 200, (HERE, AWAY))) == 400
    assert chosen(delta("a", 500, ())) == 500  # out of nothing
    assert chosen(delta("c", 300, (AWAY,))) == NEEDS_OTHERS


def test_only_of_this_layer_and_never_larger_than_it():
    assert chosen(delta("a", 5, diff_id=HERE), delta("b", 5, replaces=HERE), delta("c", LAYER.size)) == ""


def test_it_must_save_enough_of_what_is_still_to_come():
    assert chosen(delta("a", 699_999)) == 699_999
    assert chosen(delta("a", 700_000)) == "its delta would save little"
    assert chosen(delta("a", 400_000), left=500_000) == "its delta would save little"
    assert chosen(delta("a", 999_999), at_any_size=True) == 999_999


def test_what_was_tried_in_vain_is_not_tried_again():
    assert chosen(delta("a", 5), delta("b", 6), refused=["a"]) == 6
    assert chosen(delta("a", 5), refused=["a"]) == "the deltas that there are could not be used"


def plan():
    return choose(Missing(LAYER, DIFF_ID, LAYER.size), offered(delta("a", 59_000)), {HERE}.__contains__).plan


def test_a_plan_names_the_layer_by_the_digest_of_its_content():
    made = plan()
    assert (made.rebuilt.digest, made.rebuilt.size, made.rebuilt.media_type) == (DIFF_ID, 3_000_000, OCI_LAYER.removesuffix("+gzip"))
    assert still_good(made, Missing(LAYER, DIFF_ID, 1), {HERE}.__contains__)
    assert not still_good(made, Missing(LAYER, DIFF_ID, 1), {AWAY}.__contains__)
    assert not still_good(made, Missing(LAYER, DIFF_ID, 1, [made.delta.digest]), {HERE}.__contains__)
    assert not still_good(made, Missing(LAYER, HERE, 1), {HERE}.__contains__)


def test_a_record_reads_as_it_was_written_and_refuses_what_is_damaged():
    records = [LayerRecord(), LayerRecord(plan()), LayerRecord(plan()).finished(), LayerRecord(plan()).refuse("why", HERE)]
    assert [LayerRecord.from_json(record.to_json()) for record in records] == records
    assert LayerRecord.from_json(records[1].to_json()).plan.needs == (HERE,)
    for damaged in ({}, {"plan": {}}, {**records[1].to_json(), "plan": {"layer": 1}}, {**records[0].to_json(), "refused": {"x": "y"}}):
        try:
            LayerRecord.from_json(damaged)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        raise AssertionError(damaged)


def test_many_refusals_are_bounded_and_the_last_is_the_reason():
    record = LayerRecord(plan())
    for number in range(40):
        record = record.refuse(f"reason {number}", sha256(bytes([number])))
    assert (record.plan, record.reason, len(record.refused)) == (None, "reason 39", 16)


def test_what_is_told_of_an_image():
    used = use_of([LayerRecord(plan()).finished(), LayerRecord(), LayerRecord(reason="its base is gone")])
    assert used.text == "delta: 57.6 KiB instead of 976.6 KiB; no delta: its base is gone"
    assert (bool(use_of([])), bool(use_of([LayerRecord()]))) == (False, False)
    assert isinstance(plan(), LayerPlan)
