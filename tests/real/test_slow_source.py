"""A registry that sends a byte at a time, beside one that works: what comes from the other is staged, and the slow one is told."""

from dataclasses import replace

import pytest

from kelvin_provision.registry.client import Registry
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy
from tests.kit.box import FAST, Box
from tests.kit.images import push, random_image
from tests.kit.servers.proxy import Faults, Proxy

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def images(registry):
    """The registry, and the path of the slow image's layer."""
    for name in ("quick", "slow"):
        image = random_image([30_000], level=0)
        push(registry, name, "1", image)
    return registry, f"/blobs/{next(iter(image.blobs))}"


@pytest.fixture
def box(tmp_path, images):
    found = Box(tmp_path, download=DownloadSettings(stall_timeout=0.3))
    found.source = Registry(found.settings)
    found.timings = replace(FAST, staging_turn=0.5)
    yield found
    found.source.close()
    found.close()


def deployed(box, **images):
    specs = [Spec(name, name, name, "1", "c", method=Method.STAGED, image=image) for name, image in images.items()]
    deploy.store(box.ctx, specs)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (Faults(path="/manifests/", drip=0.05), "bytes received in 0.6 seconds"),
        (Faults(path="/manifests/", head="drip"), "no complete response within 0.6 seconds"),
        (Faults(path="", drip=0.1), "bytes received in 0."),
        (Faults(path="", drip=0.02), ""),
    ],
    ids=["documents", "headers", "too slow", "slow"],
)
def test_the_others_are_staged_and_the_slow_one_continues_when_it_can(box, images, faults, told):
    registry, layer = images
    with Proxy(registry, faults if faults.path else replace(faults, path=layer)) as proxy:
        deployed(box, a=f"{proxy.host}/slow:1", b=f"{registry}/quick:1")
        box.turn()
        states = {name: state for name, (_, state) in box.states().items()}
        assert (states["a"] in {"received", "downloading"}, states["b"]) == (True, "ready")
        assert (told in " ".join(box.warnings("a"))) is True
        assert bool(box.warnings("a")) is bool(told)
        proxy.faults = Faults()
        box.turn()
    assert box.states() == {"a": ("staged", "ready"), "b": ("staged", "ready")}
