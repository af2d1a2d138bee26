"""Every fault at every place that it can hit: a right image or a clear error, never a wrong blob with a right name, few bytes on the wire."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.context import silent
from kelvin_provision.errors import DigestMismatch, ManifestInvalid, ProvisionError
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings, Settings
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.images import OCI_INDEX, Image, index_of, push, put_manifest, random_image
from tests.kit.refusals import SECRETS, all_words
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.reserved import free_port
from tests.kit.servers.tokens import Tokens
from tests.real.fault_cases import BY_DIGEST, BY_TAG, CASES, CONFIG, DOCUMENTS, LAYER, RESUME, World, page

AMD64 = Platform("linux", "amd64")
TRIES = 5
"""Requests for one thing in one turn at the most: the back-off below has at most four delays."""
SOON = Backoff(first=0.01, cap=0.02, deadline=0.03)
PATIENT, ONCE, SHORT, HASTY = 60.0, 2.0, 0.5, 0.05
"""Seconds without a byte: `ONCE` where one stall is meant, which is overcome, so that a busy machine has no second; the others fail in any case."""
MATRIX = [pytest.param(case, where, id=f"{case.name} | {where}") for case in CASES for where in case.where]


class Box:
    """A store, and for each turn a client of its own, as each start of the agent has one."""

    def __init__(self, folder, name):
        self.store = Store(folder)
        self.name = name

    @contextmanager
    def source(self, stall):
        found = Registry(Settings(self.store.root, download=DownloadSettings(stall_timeout=stall)))
        yield found
        found.close()

    def turn(self, *, stalls=(PATIENT, PATIENT), between=lambda *_: None):
        """Resolve, then fetch, each with its patience; `between` happens in between. Returns the error, if any."""
        with self.source(stalls[0]) as source, self.source(stalls[1]) as other:
            try:
                with download.resolved(source, self.store, [self.name], AMD64) as locks:
                    between(other, locks[0])
                    download.fetch(Transfer(other, self.store, silent, lambda: False, SOON, TransferLimits(parallel=1)), locks)
            except ProvisionError as error:
                return error
        return None

    def check(self):
        """Every file that has a name has the right one."""
        for file in (self.store.layout.images / "blobs").rglob("*"):
            assert not file.is_file() or hashlib.new(file.parent.name, file.read_bytes()).hexdigest() == file.name


@pytest.fixture(scope="module")
def image(registry):
    """An index of one image of two layers, as `matrix:1`."""
    found = random_image([LAYER - 2048] * 2, level=0)
    push(registry, "matrix", found.digest, found)
    put_manifest(registry, "matrix", "1", index_of({"linux/amd64": found}), OCI_INDEX)
    return found


@pytest.fixture(scope="module")
def servers(registry):
    with Tokens("") as tokens, Proxy(registry) as proxy, Proxy(registry) as elsewhere:
        yield tokens, proxy, elsewhere


@pytest.fixture
def box(servers):
    """In memory where there is such a folder: what a disk takes for its syncs is no matter here."""
    tokens, proxy, elsewhere = servers
    tokens.token = "first-token"
    for one in (proxy, elsewhere):
        one.faults, one.total = Faults(path=""), 0
        one.asked.clear()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Box(Path(folder), Reference.parse(f"{proxy.host}/matrix:1"))


def place(where, image):
    """The path of the requests that go wrong."""
    config = json.loads(image.manifest)["config"]["digest"]
    documents = {BY_TAG: "manifests/1", BY_DIGEST: f"manifests/{image.digest}", CONFIG: f"blobs/{config}"}
    return f"/{documents.get(where, f'blobs/{next(iter(image.blobs))}')}$"


def already_there(box, image):
    """Half of the first layer, as another process left it."""
    digest, data = next(iter(image.blobs.items()))
    with box.store.partial(Descriptor("x", digest, len(data))) as partial:
        partial.write(data[: LAYER // 2])
    return LAYER // 2


@pytest.mark.registry
@pytest.mark.parametrize(("case", "where"), MATRIX)
def test_a_fault_ends_in_a_right_image_or_a_clear_error(case, where, image, servers, box, record_property):
    tokens, proxy, elsewhere = servers
    made = (
        case.faults(World(proxy.url, elsewhere.url, f"http://127.0.0.1:{free_port()}", tokens.realm))
        if callable(case.faults)
        else case.faults
    )
    faults = replace(made, path=place(where, image))
    missing = sum(map(len, image.blobs.values())) - (already_there(box, image) if where == RESUME else 0)
    quiet = faults.stall is not None or faults.head == "never"
    stall = SHORT if faults.drip or faults.head == "drip" else PATIENT if not quiet else HASTY if case.ends else ONCE

    def begin(*_):
        tokens.token, proxy.faults = faults.bearer, faults

    def begin_with_a_token(source, lock):
        """The client that fetches has one that is good for another blob, and now it is not any more."""
        with source.blob(lock.reference, lock.config, 0):
            begin()

    if where in DOCUMENTS:
        begin()
        error = box.turn(stalls=(stall, PATIENT))
    else:
        proxy.faults = Faults(path="", bearer="first-token" if faults.bearer else "", realm=faults.realm)
        error = box.turn(stalls=(PATIENT, stall), between=begin_with_a_token if faults.bearer else begin)

    assert type(error) is (case.ends or type(None)), repr(error)
    assert sum(re.search(faults.path, asked.path) is not None for asked in proxy.asked) <= TRIES * (12 if faults.redirect else 2)
    assert all("Authorization" not in asked.headers for asked in elsewhere.asked)
    box.check()
    if error is not None:
        words = "\n".join(all_words(error))
        assert error.hint
        assert [secret for secret in SECRETS if secret in words] == []
        proxy.faults = Faults(path="")
        assert box.turn() is None
        box.check()
    assert all(box.store.path(digest).read_bytes() == data for digest, data in image.blobs.items())
    ratio = (proxy.total + elsewhere.total) / missing
    record_property("matrix", f"{case.name} | {where} | {error.code if error else 'complete image'} | {ratio:.2f}")
    assert ratio <= case.wire


@pytest.mark.registry
@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize(
    ("part", "kind", "words"),
    [
        ("manifest", DigestMismatch, "bytes, expected"),
        ("config", DigestMismatch, "bytes, expected"),
        ("layer", ManifestInvalid, r"has \d+ bytes in the registry, but \d+ in the manifest"),
    ],
)
def test_a_size_that_is_not_that_of_the_bytes_is_told(registry, box, part, kind, words, more):
    image = random_image([5000])
    manifest = json.loads(image.manifest)
    if part != "manifest":
        (manifest["config"] if part == "config" else manifest["layers"][0])["size"] += more
    image = Image(json.dumps(manifest).encode(), image.blobs)
    push(registry, "sizes", image.digest, image)
    index = json.loads(index_of({"linux/amd64": image}))
    index["manifests"][0]["size"] += more if part == "manifest" else 0
    put_manifest(registry, "sizes", f"{part}{more}", json.dumps(index).encode(), OCI_INDEX)
    box.name = Reference.parse(f"{registry}/sizes:{part}{more}")
    error = box.turn()
    assert type(error) is kind
    assert re.search(words, str(error))
    box.check()


def test_the_page_of_faults_says_what_is_tested():
    assert (Path(__file__).parents[2] / "docs" / "faults.md").read_text() == page()


@pytest.mark.registry
@pytest.mark.skopeo
def test_another_tool_reads_what_came_over_a_bad_line(servers, image, box):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    servers[1].faults = Faults(cut=50_000)
    assert box.turn() is None
    with box.source(PATIENT) as source:
        lock = source.resolve(box.name, AMD64).lock
    box.store.tag(lock)
    said = subprocess.run(["skopeo", "inspect", f"oci:{box.store.layout.images}:{lock.reference}"], check=True, capture_output=True)
    assert json.loads(said.stdout)["Layers"] == [layer.digest for layer in lock.layers]
