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
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def images(registry):
    """The registry, and the path of the slow image's layer."""
    for name in ("quick", "slow"):
        image = random_image([30_000], level=0)
        push(registry, name, "1", image)
    return registry, f"/blobs/{next(iter(image.blobs))}"


class Impatient:
    """A client that waits for one registry only as long as a test can, and for the others as long as a busy machine needs."""

    def __init__(self, settings, slow):
        self._slow, self._hurried = slow, Registry(replace(settings, download=DownloadSettings(stall_timeout=0.3)))
        self._patient = Registry(settings)

    def __getattr__(self, name):
        def call(reference, *words, **named):
            return getattr(self._hurried if reference.host == self._slow else self._patient, name)(reference, *words, **named)

        return call

    def patiently(self):
        """From now on, with all."""
        self._slow = None

    def close(self):
        self._hurried.close()
        self._patient.close()


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path, download=DownloadSettings(stall_timeout=PATIENCE))
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
        box.source = Impatient(box.settings, proxy.host)
        deployed(box, a=f"{proxy.host}/slow:1", b=f"{registry}/quick:1")
        box.turn()
        states = {name: state for name, (_, state) in box.states().items()}
        assert (states["a"] in {"received", "downloading"}, states["b"]) == (True, "ready")
        assert (told in " ".join(box.warnings("a"))) is True
        assert bool(box.warnings("a")) is bool(told)
        proxy.faults = Faults()
        box.source.patiently()
        box.turn()
    assert box.states() == {"a": ("staged", "ready"), "b": ("staged", "ready")}
