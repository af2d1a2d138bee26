import pytest

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.files.hashing import Hasher, digest_of, has_digest, sha256_hex, verified

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
HELLO_512 = (
    "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7"
    "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"
)


def test_a_hasher_has_size_and_digest_of_what_it_was_given() -> None:
    hasher = Hasher.like(HELLO_512)
    hasher.update(b"hel")
    hasher.update(memoryview(b"lo"))
    assert (hasher.size, hasher.digest, hasher.short_digest) == (5, HELLO_512, "sha512:9b71d224bd62")


def test_bytes_are_compared_with_a_digest_of_either_algorithm() -> None:
    assert digest_of(b"hello") == HELLO
    assert has_digest(b"hello", HELLO)
    assert has_digest(b"hello", HELLO_512)
    assert not has_digest(b"jello", HELLO)
    assert sha256_hex("hello") == HELLO.removeprefix("sha256:")


def test_verified_bytes_pass_through() -> None:
    assert b"".join(verified([b"he", b"llo"], HELLO, 5)) == b"hello"


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([b"hell"], f"{HELLO}: the content has digest sha256:0ebdc3317b75 and 4 of 5 bytes"),
        ([b"jello"], f"{HELLO}: the content has digest sha256:187c9bceeb91 and 5 of 5 bytes"),
        ([b"hello", b"!"], f"{HELLO}: more than the expected 5 bytes"),
    ],
)
def test_other_bytes_are_refused(chunks: list[bytes], message: str) -> None:
    with pytest.raises(DigestMismatch) as caught:
        list(verified(chunks, HELLO, 5))
    assert str(caught.value) == message
