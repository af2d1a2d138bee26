"""When trouble of a download is recorded: with the first attempt that brings nothing, and over with the first bytes."""

from kelvin_provision.context import silent
from kelvin_provision.events import Advanced, Retrying, Started
from kelvin_provision.ledger.staging_state import Progressed, Waiting
from kelvin_provision.staging.trouble import FIRST_BYTES, PAUSE, Trouble
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.clock import Clock

IMAGE = "r.io/a:1"
DEAD = Retrying(IMAGE, "the registry r.io does not answer", 9.0, "registry-unreachable")
TOLD = Waiting(WaitReason(WaitKind.REGISTRY_UNREACHABLE, "the registry r.io does not answer"))


def trouble_of(*, known=False, progress=silent):
    clock, recorded = Clock(), []
    return Trouble(progress, recorded.append, known=known, clock=clock), recorded, clock


def test_the_first_attempt_that_brings_nothing_is_told_while_the_download_goes_on():
    trouble, recorded, _ = trouble_of()
    for event in (Started(IMAGE, "downloading", 5000, 0), Advanced(IMAGE, 1000, 5000)):
        trouble(event)
    assert recorded == []
    trouble(DEAD)
    assert recorded == [TOLD]
    trouble(DEAD)
    assert recorded == [TOLD]


def test_the_time_of_the_next_try_is_known_before_a_command_can_read_of_the_trouble():
    order = []
    trouble = Trouble(lambda event: order.append("next try"), lambda change: order.append("ledger"), known=False)
    trouble(DEAD)
    assert order == ["next try", "ledger"]


def test_it_is_over_with_the_first_bytes_and_not_with_what_was_here_before():
    trouble, recorded, _ = trouble_of(known=True)
    trouble(Advanced(IMAGE, 50_000, 90_000))
    trouble(Advanced(IMAGE, 50_000 + FIRST_BYTES - 1, 90_000))
    assert recorded == []
    trouble(Advanced(IMAGE, 50_000 + FIRST_BYTES, 90_000))
    assert recorded == [Progressed()]


def test_a_few_bytes_end_it_where_they_are_the_last():
    trouble, recorded, _ = trouble_of(known=True)
    trouble(Advanced(IMAGE, 90_000, 90_000))
    assert recorded == [Progressed()]


def test_a_link_that_breaks_every_second_is_not_recorded_every_second():
    trouble, recorded, clock = trouble_of()
    for done in range(0, 50 * FIRST_BYTES, FIRST_BYTES):
        trouble(DEAD)
        trouble(Advanced(IMAGE, done, 90_000))
        trouble(Advanced(IMAGE, done + FIRST_BYTES, 90_000))
        clock.now += 1
    assert recorded == [TOLD, Progressed()] * int(50 / PAUSE)
