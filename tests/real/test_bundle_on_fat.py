"""A bundle on a real FAT filesystem: it is read as it was written, and a stick that is pulled out at any moment ends in the error `medium-gone`."""

import random

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.inspection import BundlePlace, inspect, verified
from kelvin_provision.errors import BundleMissing, MediumGone, ProvisionError
from kelvin_provision.events import Advanced
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.kit import bundles
from tests.kit.images import random_image
from tests.kit.sticks import Stick, needs_fat

pytestmark = [pytest.mark.slow, needs_fat]

TRUST = Trust(TrustSettings())
ROUNDS = 12


@pytest.fixture
def stick(tmp_path):
    with Stick(tmp_path / "stick") as stick:
        stick.insert(writable=True)
        bundles.write(
            stick.folder, {"r.io/pump:1": random_image([34_000_000])}, [b'{"name": "pump"}'], name="north", part_size=limits.CHUNK
        )
        stick.pull()
        stick.insert()
        yield stick


def test_a_stick_is_read_and_one_that_is_pulled_out_is_gone_wherever_the_reader_was(stick):
    place = BundlePlace((stick.folder,))
    assert verified(place, TRUST, lambda event: None).error is None
    dice = random.Random(14)  # noqa: S311  (no secret)
    for _ in range(ROUNDS):
        after = dice.randrange(4)
        with pytest.raises(MediumGone) as caught:
            verified(place, TRUST, pulling(stick, after))
        assert str(stick.folder) in str(caught.value)
        with pytest.raises(BundleMissing):
            inspect(place, TRUST)
        stick.insert()
    assert inspect(place, TRUST).missing == ()
    assert verified(place, TRUST, lambda event: None).error is None


def pulling(stick, after):
    """Pulls it out once so many chunks are verified; the next ones may have been read by then, but never all of them."""

    def see(event):
        if isinstance(event, Advanced) and event.done >= after * limits.CHUNK:
            stick.pull()

    return see


def test_a_stick_that_lies_about_its_size_is_damaged_or_gone(stick):
    stick.cut(12)
    try:
        error = verified(BundlePlace((stick.folder,)), TRUST, lambda event: None).error
    except ProvisionError as raised:
        error = raised
    assert error.exit_code in {65, 75}
    assert str(stick.folder) in f"{error} {error.evidence}"
