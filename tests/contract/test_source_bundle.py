"""Bundles on a medium as a source: whole, and cut into parts."""

import pytest

from kelvin_provision.ledger import requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.ledger.requests import Brought
from kelvin_provision.media import kept
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.media.source import BundleSource
from kelvin_provision.store import Store
from tests.contract.source_contract import BOTH, IMAGE, REPOSITORY, SourceContract
from tests.kit import bundles
from tests.kit.ledgers import migrated
from tests.kit.locks import lock_of


class TestBundle(SourceContract):
    @pytest.fixture
    def host(self):
        return "registry.example:5000"

    @pytest.fixture(params=[0, 1 << 20], ids=["whole", "parts"])
    def source(self, request, tmp_path, host):
        images = {f"{host}/{REPOSITORY}:one": IMAGE, f"{host}/{REPOSITORY}:both": BOTH}
        bundle = bundles.make(images, part_size=request.param)
        places = bundle.write(tmp_path / "stick")
        state = tmp_path / "state"
        kept.keep(state, bundle.digest, bundle.table)
        media, images = tuple(map(Mounts().medium_of, places)), (lock_of(IMAGE, f"{host}/{REPOSITORY}:one"),)
        known = ImportedBundle(bundle.digest, "bundle", 0, (), "2026-11-28T09:00:00Z", "anna", media, images)
        with Ledger(migrated(state / "ledger.db")) as ledger:
            requests.import_bundle(ledger, Brought(known), "batch", actor="anna")
            yield BundleSource(ledger, lambda: Store(state), state)
