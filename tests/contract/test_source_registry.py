"""A real registry as a source."""

import pytest

from kelvin_provision.registry.client import Registry
from kelvin_provision.settings.model import RegistrySettings, Settings
from tests.contract.source_contract import BOTH, IMAGE, REPOSITORY, SourceContract
from tests.kit.images import push, push_index


@pytest.mark.registry
class TestRegistry(SourceContract):
    @pytest.fixture
    def host(self, registry):
        push(registry, REPOSITORY, "one", IMAGE)
        push_index(registry, REPOSITORY, "both", BOTH)
        return registry

    @pytest.fixture
    def source(self, host, tmp_path):
        source = Registry(Settings(state_dir=tmp_path / "state", registries={host: RegistrySettings(insecure=True)}))
        yield source
        source.close()
