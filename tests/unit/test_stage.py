"""Staging while another process frees space: what it brings belongs to it from the first document to the import."""

import json
from types import SimpleNamespace

import pytest

from kelvin_provision.context import silent
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import download, stage
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.store import Store
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.ledgers import migrated

AMD64 = Platform("linux", "amd64")


class Greedy(FakeRuntime):
    """Somebody who asked the ledger before it knew of the image collects at every step of the staging."""

    def __init__(self, store):
        super().__init__(AMD64)
        self.collecting = store
        self.freed = []

    def check(self, lock):
        self.freed.append(self.collecting.collect_garbage([]))
        super().check(lock)

    def load(self, lock, blob_path, plain):
        self.freed.append(self.collecting.collect_garbage([]))
        return super().load(lock, blob_path, plain)


@pytest.fixture
def box(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as ledger:
        source = FakeSource()
        source.images["r.io/a:1"] = random_image([20_000, 10_000])
        spec = Spec(name="a", title="a", app_name="a", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/a:1")
        ledger.accept([spec], "batch")
        yield SimpleNamespace(ledger=ledger, source=source, store=Store(tmp_path), runtime=Greedy(Store(tmp_path)))


def staged(box):
    revision = box.ledger.workload("a").staged
    tools = StagingTools(box.ledger, box.store, box.source, box.runtime, silent, stop=lambda: False, limits=TransferLimits(parallel=2))
    done = stage.run(revision, tools)
    return done, box.ledger.workload("a").staged


def test_nothing_is_collected_between_resolve_and_import(box):
    done, revision = staged(box)
    assert (done, revision.download) == (True, Download.READY)
    assert box.runtime.freed == [0, 0]
    layers = [layer["digest"] for layer in json.loads(box.source.images["r.io/a:1"].manifest)["layers"]]
    assert sorted(digest for digest, _, _ in box.source.served) == sorted(layers)


def test_nothing_is_collected_from_what_the_ledger_knows_already_either(box):
    box.runtime.error = None
    staged(box)
    box.runtime.names.clear()
    assert staged(box)[0] is True
    assert box.runtime.freed == [0, 0, 0]


def test_once_it_is_over_what_nobody_wants_is_free(tmp_path):
    source, store = FakeSource(), Store(tmp_path)
    image = source.images["r.io/a:1"] = random_image([20_000])
    with download.resolved(source, store, [Reference.parse("r.io/a:1")], AMD64) as (lock,):
        assert Store(tmp_path).collect_garbage([]) == 0
        assert store.has(lock.manifest)
        assert store.has(lock.config)
    assert store.collect_garbage([]) == lock.manifest.size + lock.config.size
    assert len(image.manifest) == lock.manifest.size
