"""Uploaded bundles are kept while anything needs them, and removed then."""

import json
from contextlib import closing

import pytest

from kelvin_provision.spec.enums import Download
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Announced
from kelvin_provision.uploads.tidying import EVERY, KEPT, Tidying
from kelvin_provision.uploads.writing import Writer
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from kelvin_provision.usecases.bundles.uploaded import needed_uploads, remove_staged
from tests.kit.bundle_box import offline
from tests.kit.bundles import make
from tests.kit.images import random_image
from tests.kit.requests import deployable


@pytest.fixture
def box(tmp_path):
    with closing(offline(tmp_path / "state")) as box:
        yield box


@pytest.fixture
def bundle():
    return make({"127.0.0.1:1/motor:1.0.0": random_image([4000, 20_000])}, [json.dumps(deployable()).encode()], name="line-3")


def uploaded(box, bundle):
    """Where it is."""
    uploads = Uploads(box.settings.state_dir)
    identifier = uploads.create(Announced("line-3.kpb", len(bundle.data)), created="2026-11-28T00:00:00Z", by="anna").id
    with Writer(uploads, identifier) as writer:
        writer.write(bundle.data)
        writer.commit()
    return uploads.content(identifier)


def imported(box, path, **more):
    return carry_out(box.ctx, plan(box.ctx, ImportRequest((path,), **more)))


def test_it_is_kept_until_all_of_it_is_staged(box, bundle):
    path = uploaded(box, bundle)
    assert remove_staged(box.ctx) == (), "it was removed before it was imported"
    imported(box, path)
    assert remove_staged(box.ctx) == ()
    assert needed_uploads(box.ctx) == {path.parent.name}
    box.turn()
    assert needed_uploads(box.ctx) == frozenset()
    assert box.ledger.workload("motor").staged.download is Download.READY
    assert remove_staged(box.ctx) == ("line-3.kpb",)
    assert not path.exists()
    assert remove_staged(box.ctx) == ()


def test_it_is_kept_for_a_revision_that_cannot_be_read(box, bundle):
    imported(box, uploaded(box, bundle))
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = 'x'")
    assert remove_staged(box.ctx) == ()


def test_of_images_alone_nothing_is_needed_once_they_are_copied(box, bundle):
    imported(box, uploaded(box, bundle), images_only=True)
    assert remove_staged(box.ctx) == ("line-3.kpb",)


def test_one_that_waits_to_be_staged_is_not_idle_however_long(box, bundle):
    path = uploaded(box, bundle)
    imported(box, path)
    path.with_name("idle").write_text(str(int(KEPT)))
    now = [0.0]
    tidying = Tidying(Uploads(box.settings.state_dir), lambda: now[0])
    now[0] += EVERY
    media = {medium.place for known in box.ledger.bundles() for medium in known.media}
    assert tidying.take(media) == []
    assert tidying.take() == ["line-3.kpb"]
