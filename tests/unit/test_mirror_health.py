"""Which hosts are tried last for a blob."""

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


def test_no_host_is_suspect_without_a_reason():
    health = MirrorHealth()
    assert health.try_last(BLOB, 0) == frozenset()
    assert received(health, "a", 0, b"01234") == b"01234"
    assert health.try_last(BLOB, 5) == frozenset()


def test_all_hosts_that_sent_a_part_of_a_corrupt_blob_are_suspect():
    health = MirrorHealth()
    received(health, "a", 0, b"01234")
    received(health, "b", 5, b"56789")
    assert health.try_last(BLOB, 0) == {"a", "b"}


def test_a_host_that_restarts_the_blob_is_its_only_sender():
    health = MirrorHealth()
    received(health, "a", 0, b"01234")
    received(health, "b", 0, b"0123456789")
    assert health.try_last(BLOB, 0) == {"b"}


def test_an_interrupted_stream_is_no_reason_and_an_empty_one_is():
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


def test_a_host_that_fails_slowly_is_tried_last_for_half_a_minute():
    now = 0.0
    health = MirrorHealth(lambda: now)
    health.record_failure("a", 10.0)
    health.record_failure("b", 0.9)
    assert (health.penalized(), health.try_last(BLOB, 0)) == ({"a"}, {"a"})
    now = 30.0
    assert (health.penalized(), health.try_last(BLOB, 0)) == (frozenset(), frozenset())
