"""A job that names a bundle by its digest gets exactly that one in every read: a hostile medium may change between two reads."""

import json

import pytest

from kelvin_provision.bundles import inspection, on_media
from kelvin_provision.errors import ExpectedOther
from kelvin_provision.jobs.place import Place
from kelvin_provision.jobs.table import JOBS
from tests.kit import bundles
from tests.kit.images import random_image
from tests.kit.requests import deployable

IMAGES = {"127.0.0.1:1/motor:1.0.0": random_image([4000])}


@pytest.fixture
def media(tmp_path):
    return tmp_path / "media"


@pytest.fixture
def place(tmp_path, media, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    site = tmp_path / "site.yaml"
    site.write_text(f"media: {{folders: [{media}]}}\n")
    return Place(["--state-dir", str(tmp_path / "state"), "--config", str(site)])


def written(media, version):
    return bundles.write(media, IMAGES, [json.dumps(deployable() | {"title": version}).encode()], name="line-3")


def becomes_other_after(monkeypatch, module, name, media):
    """The medium has another bundle at the same place as soon as this has looked at it."""
    real = getattr(module, name)

    def look(*arguments):
        found = real(*arguments)
        written(media, "6.6.6")
        return found

    monkeypatch.setattr(module, name, look)


def done(place, name, digest):
    (*_, last) = JOBS[name](place, {"medium": digest, "actor": "anna"})
    return last["result"]


@pytest.mark.parametrize("name", ["inspect-bundle", "import-bundle", "verify-bundle"])
def test_a_medium_that_has_another_bundle_when_it_is_read_is_refused(place, media, monkeypatch, name):
    shown = written(media, "1.0.0")
    becomes_other_after(monkeypatch, on_media, "place_of", media)
    with pytest.raises(ExpectedOther, match=shown.digest):
        done(place, name, shown.digest)
    with place.opened() as ctx:
        assert (ctx.ledger.bundles(), ctx.ledger.names()) == ((), [])


def test_what_an_import_would_do_is_never_that_of_another_bundle_than_the_shown_one(place, media, monkeypatch):
    shown = written(media, "1.0.0")
    becomes_other_after(monkeypatch, inspection, "inspect", media)
    document = done(place, "inspect-bundle", shown.digest)
    assert (document["digest"], document["signatures"]["expected"]) == (shown.digest, False)
    assert (document["import"], document["obstacle"]["code"]) == (None, "bundle-damaged")
