"""Who is asked last for a blob, and why."""

import pytest

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry import mirror_health
from kelvin_provision.registry.mirror_health import MirrorHealth
from kelvin_provision.registry.protocol import Stream

BLOB = Descriptor("x", "sha256:" + "a" * 64, 10)


def received(health, host, start, *chunks):
    return b"".join(health.observed(BLOB, host, Stream(start, iter(chunks))).chunks)


def broken(*chunks):
    yield from chunks
    raise RegistryUnreachable("cut off")


def test_nobody_is_doubted_without_a_reason():
    health = MirrorHealth()
    assert health.try_last(BLOB, 0) == frozenset()
    assert received(health, "a", 0, b"01234") == b"01234"
    assert health.try_last(BLOB, 5) == frozenset()


def test_who_has_given_a_blob_that_is_wanted_again_is_doubted_with_everyone_who_had_a_share_in_it():
    health = MirrorHealth()
    received(health, "a", 0, b"01234")
    received(health, "b", 5, b"56789")
    assert health.try_last(BLOB, 0) == {"a", "b"}


def test_who_begins_it_over_has_the_only_share():
    health = MirrorHealth()
    received(health, "a", 0, b"01234")
    received(health, "b", 0, b"0123456789")
    assert health.try_last(BLOB, 0) == {"b"}


def test_a_break_in_the_middle_is_no_reason_and_a_stream_without_a_byte_is_one():
    health = MirrorHealth()
    for host, stream in (("a", broken(b"0")), ("b", broken())):
        with pytest.raises(RegistryUnreachable):
            b"".join(health.observed(BLOB, host, Stream(0, stream)).chunks)
    assert received(health, "c", 1) == b""
    assert health.try_last(BLOB, 1) == {"b", "c"}


def test_the_oldest_blobs_are_forgotten(monkeypatch):
    monkeypatch.setattr(mirror_health, "MAX_BLOBS", 2)
    health = MirrorHealth()
    received(health, "a", 0)
    assert health.try_last(BLOB, 0) == {"a"}
    for number in "bcd":
        health.try_last(Descriptor("x", f"sha256:{number * 64}", 10), 0)
    assert health.try_last(BLOB, 0) == frozenset()


def test_who_takes_long_to_say_nothing_is_avoided_for_half_a_minute():
    now = 0.0
    health = MirrorHealth(lambda: now)
    health.record_failure("a", 10.0)
    health.record_failure("b", 0.9)
    assert (health.penalized(), health.try_last(BLOB, 0)) == ({"a"}, {"a"})
    now = 30.0
    assert (health.penalized(), health.try_last(BLOB, 0)) == (frozenset(), frozenset())
