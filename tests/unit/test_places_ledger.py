"""On which nodes images are needed, as the ledger has it."""

import pytest

from kelvin_provision.ledger.nodes import places
from kelvin_provision.ledger.nodes.model import PlaceRow
from tests.kit.box import Box


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path / "state")
    yield made
    made.close()


ON_A, ON_B, OTHER = PlaceRow("a", "r.io/x@1", "m-1"), PlaceRow("b", "r.io/x@1", "m-1"), PlaceRow("b", "r.io/y@1", "m-1")


def test_places_are_kept_with_their_revision_and_written_only_when_they_change(box):
    box.deploy("pump", "fan")
    pump, fan = (box.ledger.workload(name).staged for name in ("pump", "fan"))
    assert places.record(box.ledger, pump, [ON_A, ON_B, OTHER])
    version = box.ledger.version()
    assert not places.record(box.ledger, pump, [OTHER, ON_B, ON_A])
    assert box.ledger.version() == version
    places.record(box.ledger, fan, [PlaceRow("b", "r.io/z@1")])
    assert places.of_revision(box.ledger, pump) == {ON_A, ON_B, OTHER}
    assert places.images_of(box.ledger, "b") == {"r.io/x@1", "r.io/y@1", "r.io/z@1"}
    assert places.marked_images(box.ledger) == {"a": {"m-1": {"r.io/x@1"}}, "b": {"m-1": {"r.io/x@1", "r.io/y@1"}}}
    box.ledger.drop_staged("pump")
    assert places.images_of(box.ledger, "b") == {"r.io/z@1"}
    assert not places.record(box.ledger, pump, [ON_A])
    assert places.images_of(box.ledger, "a") == frozenset()
