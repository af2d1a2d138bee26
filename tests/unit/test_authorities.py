"""Whose certificates are believed: those of the box, wherever it has them, and those that came along where it has none."""

import ssl
from typing import NamedTuple

import pytest

from kelvin_provision.registry import authorities


class Paths(NamedTuple):
    cafile: str | None
    capath: str | None


@pytest.fixture
def without(monkeypatch):
    """A box where OpenSSL finds nothing."""
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(None, None))
    authorities.bundle.cache_clear()
    yield
    authorities.bundle.cache_clear()


def test_those_that_openssl_finds_are_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(str(tmp_path), None))
    authorities.bundle.cache_clear()
    assert authorities.bundle((), tmp_path) is None
    authorities.bundle.cache_clear()


def test_an_empty_folder_is_none(tmp_path, monkeypatch):
    (tmp_path / "certs").mkdir()
    (tmp_path / "ours").touch()
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(None, str(tmp_path / "certs")))
    authorities.bundle.cache_clear()
    assert authorities.bundle((), tmp_path / "ours") == str(tmp_path / "ours")
    authorities.bundle.cache_clear()


@pytest.mark.usefixtures("without")
def test_those_of_the_box_come_before_ours(tmp_path):
    for name in ("box", "ours"):
        (tmp_path / name).touch()
    assert authorities.bundle((str(tmp_path / "none"), str(tmp_path / "box")), tmp_path / "ours") == str(tmp_path / "box")
    assert authorities.bundle((str(tmp_path / "none"),), tmp_path / "ours") == str(tmp_path / "ours")
    assert authorities.bundle((str(tmp_path / "none"),), tmp_path / "none") is None
