"""One download from several places: what one has begun another completes, and a mirror that is no good keeps no image from coming."""

import pytest

from kelvin_provision.context import silent
from kelvin_provision.errors import DigestMismatch, RegistryUnreachable
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.mirror_health import MirrorHealth
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings, RegistrySettings, Settings
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.images import push, random_image
from tests.kit.refusals import refused
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")
KIB = 1 << 10
SIZE = 512 * KIB
SOON = Backoff(first=0.01, cap=0.02, deadline=0.03)


@pytest.fixture(scope="module")
def image(registry):
    """One layer of nearly SIZE bytes, as `sources:1`."""
    found = random_image([SIZE - 2048], level=0)
    push(registry, "sources", "1", found)
    return found


@pytest.fixture
def own(registry, image):
    with Proxy(registry) as found:
        yield found


@pytest.fixture
def mirror(registry, image):
    with Proxy(registry) as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def bring(store, own, *mirrors, stall=PATIENCE, name="sources:1", health=None):
    """Resolve at the registry and fetch with these mirrors, as a process of its own would."""
    reference = Reference.parse(f"{own}/{name}")
    chosen = {own: RegistrySettings(mirrors=mirrors)}
    source = Registry(Settings(store.root, registries=chosen, download=DownloadSettings(stall_timeout=stall)), health)
    try:
        with download.resolved(source, store, [reference], AMD64) as locks:
            download.fetch(Transfer(source, store, silent, lambda: False, SOON, TransferLimits(parallel=1)), locks)
    finally:
        source.close()


def right(store, image):
    return all(store.path(digest).read_bytes() == data for digest, data in image.blobs.items())


def layers(proxy):
    return [asked for asked in proxy.asked if "/blobs/" in asked.path]


@pytest.mark.parametrize("first", ["the registry", "a mirror"])
def test_what_one_place_has_begun_another_completes(own, mirror, store, image, first):
    begun, other = (own, mirror) if first == "the registry" else (mirror, own)
    begun.faults = Faults(path=f"/blobs/{next(iter(image.blobs))}", cut=200 * KIB)
    other.faults = Faults(path="", status=503)
    source = Registry(Settings(store.root))
    with pytest.raises(RegistryUnreachable):
        _read_once(source, store, Reference.parse(f"{begun.host}/sources:1"))
    source.close()
    begun.faults, other.faults = Faults(path="", status=503), Faults()
    bring(store, own.host, mirror.host)
    assert right(store, image)
    assert begun.sent + other.sent <= 1.01 * sum(map(len, image.blobs.values()))
    (rest,) = [asked.headers["Range"] for asked in layers(other) if "Range" in asked.headers]
    assert rest.startswith(f"bytes={200 * KIB}-")


def _read_once(source, store, reference):
    """As a process that is killed at the first trouble."""
    (layer,) = source.resolve(reference, AMD64).lock.layers
    with store.partial(layer) as partial, source.blob(reference, layer, 0) as stream:
        for chunk in stream.chunks:
            partial.write(chunk)


def test_another_registry_with_the_same_image_completes_it_too(own, mirror, store, image):
    """Another name altogether: the digest is what counts."""
    own.faults = Faults(cut=200 * KIB)
    source = Registry(Settings(store.root))
    with pytest.raises(RegistryUnreachable):
        _read_once(source, store, Reference.parse(f"{own.host}/sources:1"))
    source.close()
    bring(store, mirror.host)
    assert right(store, image)
    assert own.total + mirror.total <= 1.02 * sum(map(len, image.blobs.values()))


def test_a_mirror_that_breaks_off_without_a_byte_is_passed_over(own, mirror, store, image):
    mirror.faults = Faults(path="/blobs/", cut=0)
    bring(store, own.host, mirror.host)
    assert right(store, image)
    assert len(layers(mirror)) == 2  # config and layer, each once


def test_a_mirror_that_stalls_without_a_byte_is_passed_over(own, mirror, store, image):
    mirror.faults = Faults(path=f"/blobs/{next(iter(image.blobs))}", stall=0)
    bring(store, own.host, mirror.host, stall=0.2)
    assert right(store, image)


def test_a_mirror_with_wrong_bytes_is_passed_over_when_the_blob_is_fetched_once_more(own, mirror, store, image):
    layer = next(iter(image.blobs))
    mirror.faults = Faults(path=f"/blobs/{layer}", flip=1000)
    bring(store, own.host, mirror.host)
    assert right(store, image)
    assert [len([one for one in layers(proxy) if one.path.endswith(layer)]) for proxy in (mirror, own)] == [1, 1]
    assert list(store.layout.quarantine.iterdir()) != []


def test_after_one_mirror_with_wrong_bytes_the_registry_is_asked_before_another_mirror(own, mirror, store, image, registry):
    layer = next(iter(image.blobs))
    with Proxy(registry) as other:
        for one in (mirror, other):
            one.faults = Faults(path=f"/blobs/{layer}", flip=1000)
        bring(store, own.host, mirror.host, other.host)
        assert right(store, image)
        assert [len([one for one in layers(proxy) if one.path.endswith(layer)]) for proxy in (mirror, other, own)] == [1, 0, 1]


def test_a_mirror_that_swallows_everything_is_waited_for_once(own, mirror, store, image):
    mirror.faults = Faults(path="", head="never")
    bring(store, own.host, mirror.host, stall=0.2, health=MirrorHealth(slow_failure=0.1))
    assert right(store, image)
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("registry_answers", [True, False])
def test_a_mirror_that_knows_no_ranges_costs_nothing_of_what_is_there_while_the_registry_has_the_rest(
    own, mirror, store, image, registry_answers
):
    """A cache that has not got the blob yet sends all of it, whatever was asked for."""
    digest, data = next(iter(image.blobs.items()))
    with store.partial(Descriptor("x", digest, len(data))) as partial:
        partial.write(data[: 200 * KIB])
    mirror.faults = Faults(ask={"Range": ""})
    own.faults = Faults(path=f"/blobs/{digest}" if not registry_answers else "nothing", status=503)
    bring(store, own.host, mirror.host)
    assert right(store, image)
    given = [asked.headers.get("Range") for asked in layers(own) if asked.path.endswith(digest)]
    assert given == [f"bytes={200 * KIB}-{len(data) - 1}"]


def test_a_doubted_mirror_is_asked_when_the_registry_is_gone(own, mirror, store, image):
    layer = next(iter(image.blobs))
    own.faults = Faults(path=f"/blobs/{layer}", status=503)
    mirror.faults = Faults(path=f"/blobs/{layer}", cut=0, cuts=1)
    bring(store, own.host, mirror.host)
    assert right(store, image)


def test_when_all_places_have_wrong_bytes_the_error_says_so(own, mirror, store, image):
    for proxy in (own, mirror):
        proxy.faults = Faults(path=f"/blobs/{next(iter(image.blobs))}", flip=1000)
    with refused(DigestMismatch, "the content has digest sha256:"):
        bring(store, own.host, mirror.host)
    assert not store.path(next(iter(image.blobs))).exists()


def test_a_mirror_that_is_down_costs_one_try_each_time(own, store, image):
    bring(store, own.host, f"127.0.0.1:{free_port()}")
    assert right(store, image)
