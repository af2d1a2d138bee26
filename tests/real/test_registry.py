"""The registry client against Debian's docker-registry: what an image is, where it is had, and the words when it is not."""

import functools
import json
import shutil
import socket
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ManifestInvalid,
    PlatformMissing,
    RegistryBusy,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
    SettingsInvalid,
)
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.http_errors import Asked
from kelvin_provision.registry.response import parse_retry_after
from kelvin_provision.registry.transport import Transport, is_loopback
from kelvin_provision.settings.model import DownloadSettings, RegistrySettings, Settings
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.media_types import DOCKER_LIST, DOCKER_MANIFEST, LAYERS, ImageSupport, support_of
from tests.kit.images import (
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    image_of_type,
    index_of,
    make_image,
    push,
    push_blob,
    push_index,
    put_manifest,
    random_image,
    sha256,
    tar_of,
)
from tests.kit.refusals import refused
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.reserved import free_port
from tests.kit.servers.threaded import Server, serving
from tests.kit.waiting import PATIENCE


class QuietFiles(SimpleHTTPRequestHandler):
    """A folder as a registry: none of a registry's headers."""

    def log_message(self, *words):
        pass


pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")


@pytest.fixture
def client(tmp_path):
    """Makes registries of settings, and closes them."""
    made = []

    def make(stall=PATIENCE, **registries):
        chosen = {host: RegistrySettings(**value) for host, value in registries.items()}
        made.append(Registry(Settings(tmp_path, registries=chosen, download=DownloadSettings(stall_timeout=stall))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def small_image(text, **kwargs):
    return make_image([tar_of({"a": text.encode()})], **kwargs)


def docker_image(text):
    """The same in Docker's words."""
    image = small_image(text)
    manifest = json.loads(image.manifest) | {"mediaType": DOCKER_MANIFEST}
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for layer in manifest["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    return Image(json.dumps(manifest).encode(), image.blobs, DOCKER_MANIFEST)


def whole(registry, reference, blob, offset=0):
    with registry.blob(Reference.parse(reference), blob, offset) as stream:
        return stream.start, b"".join(stream.chunks)


# --- what an image is -------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "kind"), [(small_image, OCI_MANIFEST), (docker_image, DOCKER_MANIFEST)])
def test_a_manifest_is_locked_and_every_byte_of_it_can_be_had(registry, client, make, kind):
    image, source = make("plain"), client()
    name = push(registry, f"plain/{kind[12:15]}", "1", image)
    found = source.resolve(Reference.parse(name), AMD64)
    lock = found.lock
    assert (lock.manifest.media_type, lock.manifest.digest, lock.index) == (kind, image.digest, None)
    assert lock.root == lock.manifest
    assert found.documents == {image.digest: image.manifest, lock.config.digest: image.blobs[lock.config.digest]}
    everything = image.blobs | {image.digest: image.manifest}
    for blob in lock.blobs():
        assert whole(source, name, blob) == (0, everything[blob.digest])
        assert whole(source, name, blob, blob.size - 5) in {(blob.size - 5, everything[blob.digest][-5:]), (0, everything[blob.digest])}


def test_the_nodes_platform_is_taken_out_of_an_index_and_the_index_is_kept(registry, client):
    arm, amd = small_image("arm", architecture="arm64"), small_image("amd")
    digest = push_index(registry, "multi", "1", {"linux/arm64": arm, "linux/amd64": amd})
    found = client().resolve(Reference.parse(f"{registry}/multi:1"), AMD64)
    assert found.lock.manifest.digest == amd.digest
    assert found.lock.index == Descriptor(OCI_INDEX, digest, len(index_of({"linux/arm64": arm, "linux/amd64": amd})))
    assert found.lock.root.digest == amd.digest
    assert set(found.documents) == {digest, amd.digest, found.lock.config.digest}
    other = client().resolve(Reference.parse(f"{registry}/multi:1"), Platform("linux", "arm64"))
    assert other.lock.manifest.digest == arm.digest


def test_a_digest_of_an_index_stays_the_root_and_one_of_a_manifest_too(registry, client):
    image = small_image("by digest")
    index = push_index(registry, "digests", "1", {"linux/amd64": image})
    by_index = client().resolve(Reference.parse(f"{registry}/digests:1@{index}"), AMD64).lock
    assert (by_index.root.digest, by_index.manifest.digest) == (index, image.digest)
    by_manifest = client().resolve(Reference.parse(f"{registry}/digests@{image.digest}"), AMD64).lock
    assert (by_manifest.root.digest, by_manifest.index) == (image.digest, None)


@pytest.mark.parametrize("media_type", sorted(LAYERS))
def test_layers_of_every_type_that_a_runtime_unpacks_are_locked(registry, client, media_type):
    image = image_of_type([tar_of({"a": media_type.encode()})], media_type)
    name = push(registry, "types", "1", image)
    assert [layer.media_type for layer in client().resolve(Reference.parse(name), AMD64).lock.layers] == [media_type]


def index_with(registry, repository, entries) -> str:
    """Push images and an index of them; returns its digest. `entries`: each image, and the platform of its entry or None."""
    described = []
    for image, platform in entries:
        push(registry, repository, image.digest, image)
        entry = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest)}
        described.append(entry | ({"platform": platform} if platform else {}))
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described}).encode()
    put_manifest(registry, repository, "1", data, OCI_INDEX)
    return sha256(data)


def test_the_config_tells_the_platform_of_an_index_entry_that_has_none(registry, client):
    arm, amd = small_image("bare arm", architecture="arm64"), small_image("bare amd")
    index_with(registry, "bare", [(arm, None), (amd, None)])
    assert client().resolve(Reference.parse(f"{registry}/bare:1"), AMD64).lock.manifest.digest == amd.digest
    index_with(registry, "barer", [(arm, None)])
    with refused(PlatformMissing, "the image is for linux/arm64, but this node is linux/amd64"):
        client().resolve(Reference.parse(f"{registry}/barer:1"), AMD64)


def test_of_two_entries_for_this_platform_the_one_is_taken_that_the_runtime_unpacks(registry, client):
    platform = {"os": "linux", "architecture": "amd64"}
    packed = {kind: image_of_type([tar_of({"a": b"two"})], f"application/vnd.oci.image.layer.v1.tar+{kind}") for kind in ("zstd", "gzip")}
    digest = index_with(registry, "packed", [(packed["zstd"], platform), (packed["gzip"], platform)])
    old, new = (support_of(Identity.CONFIG, version) for version in ("20.10.24", "28.5.2"))

    def taken(support, reference="packed:1"):
        lock = client().resolve(Reference.parse(f"{registry}/{reference}"), AMD64, support).lock
        return next(kind for kind, image in packed.items() if image.digest == lock.manifest.digest)

    assert (taken(old), taken(new)) == ("gzip", "zstd")
    assert taken(old, f"packed@{digest}") == "gzip"
    without = ImageSupport("containerd", (1, 0), LAYERS - {"application/vnd.oci.image.layer.v1.tar+zstd"})
    assert taken(without) == "gzip"
    assert taken(without, f"packed@{digest}") == "zstd", "given the index, it would take the first one by itself"
    assert taken(ImageSupport("any", (0, 0), frozenset())) == "zstd", "if none fits it is the first, and the runtime says why it refuses it"


def test_a_docker_list_is_an_index_too(registry, client):
    image = docker_image("list")
    push(registry, "list", image.digest, image)
    data = json.dumps(json.loads(index_of({"linux/amd64": image})) | {"mediaType": DOCKER_LIST}).encode()
    put_manifest(registry, "list", "1", data, DOCKER_LIST)
    lock = client().resolve(Reference.parse(f"{registry}/list:1"), AMD64).lock
    assert (lock.index.media_type, lock.manifest.media_type) == (DOCKER_LIST, DOCKER_MANIFEST)


def test_a_missing_platform_lists_the_available_ones(registry, client):
    push_index(
        registry,
        "foreign",
        "1",
        {"linux/arm64": small_image("x", architecture="arm64"), "linux/s390x": small_image("y", architecture="s390x")},
    )
    with refused(PlatformMissing, "no image for platform linux/amd64; available: linux/arm64, linux/s390x"):
        client().resolve(Reference.parse(f"{registry}/foreign:1"), AMD64)
    name = push(registry, "foreign", "2", small_image("z", architecture="arm64"))
    with refused(PlatformMissing, "the image is for linux/arm64, but this node is linux/amd64"):
        client().resolve(Reference.parse(name), AMD64)


def test_a_registry_is_greeted_and_what_is_none_is_named(registry, client, tmp_path):
    client().greet(registry)
    dead = f"127.0.0.1:{free_port()}"
    with refused(RegistryUnreachable, rf"^the registry {dead} does not answer \(connection refused\)$"):
        client().greet(dead)
    (tmp_path / "index.txt").write_text("hello")
    other = Server(functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    with serving(other), refused(RegistryRefused, f"^the server {other.host} answers, and is no registry"):
        client().greet(other.host)


def test_an_index_inside_of_an_index_is_refused(registry, client):
    inner = Image(index_of({"linux/amd64": small_image("inner")}), {}, OCI_INDEX)
    push_index(registry, "nested", "0", {"linux/amd64": small_image("inner")})
    put_manifest(registry, "nested", "1", index_of({"linux/amd64": inner}), OCI_INDEX)
    with refused(ManifestInvalid, "an index in an index is not supported"):
        client().resolve(Reference.parse(f"{registry}/nested:1"), AMD64)


def test_layers_and_diff_ids_must_be_as_many(registry, client):
    image = small_image("x")
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    push(registry, "uneven", "0", image)
    push_blob(registry, "uneven", config)
    manifest = json.loads(image.manifest)
    manifest["config"] |= {"digest": sha256(config), "size": len(config)}
    put_manifest(registry, "uneven", "1", json.dumps(manifest).encode(), OCI_MANIFEST)
    with refused(ManifestInvalid, "1 layers, but 0 diff ids"):
        client().resolve(Reference.parse(f"{registry}/uneven:1"), AMD64)


def test_an_unknown_image_is_named_with_host_and_repository(registry, client):
    with refused(ImageNotFound, f"^the registry {registry} has no no/such:9$"):
        client().resolve(Reference.parse(f"{registry}/no/such:9"), AMD64)


# --- a registry on a bad day ------------------------------------------------------------------------


@pytest.fixture
def proxied(registry):
    with Proxy(registry) as proxy:
        push(registry, "bad", "1", small_image("bad day"))
        yield proxy


def name_at(proxy):
    return Reference.parse(f"{proxy.host}/bad:1")


@pytest.mark.parametrize(
    ("status", "kind", "after"),
    [
        (429, RegistryBusy, "7"),
        (503, RegistryBusy, "7"),
        (500, RegistryBusy, ""),
        (403, RegistryDenied, ""),
        (400, RegistryRefused, ""),
        (401, RegistryDenied, ""),
    ],
)
def test_a_status_is_what_it_means(proxied, client, status, kind, after):
    proxied.faults = Faults(path="", status=status, answer={"Retry-After": after} if after else {})
    with refused(kind) as caught:
        client().resolve(name_at(proxied), AMD64)
    assert getattr(caught.value, "retry_after", 0.0) == float(after or 0)


def test_a_registry_that_wants_a_pause_gets_it_from_every_later_call(proxied, client):
    source = client()
    proxied.faults = Faults(path="", status=429, statuses=1, answer={"Retry-After": "60"})
    with refused(RegistryBusy, "returned status 429"):
        source.resolve(name_at(proxied), AMD64)
    with refused(RegistryBusy, "the registry .* asked to wait until [0-2][0-9]:[0-5][0-9]:[0-6][0-9]") as caught:
        source.resolve(name_at(proxied), AMD64)
    with refused(RegistryBusy, str(caught.value)):  # the same text each time: the ledger writes only what has changed
        source.resolve(name_at(proxied), AMD64)
    assert 50 < caught.value.retry_after <= 60
    assert len(proxied.asked) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("9" * 400, 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_more_than_an_hour(text, expected):
    assert parse_retry_after(text) == expected


@pytest.mark.parametrize("reset", [False, True])
def test_a_document_that_breaks_off_is_a_broken_line_and_not_a_wrong_document(proxied, client, reset):
    proxied.faults = Faults(path="/manifests/", cut=20, reset=reset)
    with refused(RegistryUnreachable, "connection closed by the server|connection reset by peer"):
        client().resolve(name_at(proxied), AMD64)


def test_a_document_that_is_another_than_its_digest_is_refused(proxied, client):
    proxied.faults = Faults(path="/manifests/", answer={"Docker-Content-Digest": "sha256:" + "0" * 64})
    with refused(DigestMismatch, f"^the registry {proxied.host}: the content of bad does not match sha256:000"):
        client().resolve(name_at(proxied), AMD64)


def test_a_registry_that_says_nothing_is_given_up_after_the_stall_time(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with refused(RegistryUnreachable, rf"^the registry {host} does not answer \(no data received for 0.2 seconds\)$"):
            client(stall=0.2).resolve(Reference.parse(f"{host}/a:1"), AMD64)


def test_nobody_there_and_no_such_host_are_said_in_the_systems_words(client):
    host = f"127.0.0.1:{free_port()}"
    with refused(RegistryUnreachable, "connection refused"):
        client().resolve(Reference.parse(f"{host}/a:1"), AMD64)
    with refused(RegistryUnreachable, r"the registry registry\.invalid does not answer \("):
        client().resolve(Reference.parse("registry.invalid/a:1"), AMD64)


def test_connections_are_used_again_and_none_with_unread_bytes(proxied, client, registry):
    source = client()
    lock = source.resolve(name_at(proxied), AMD64).lock
    for number in range(5):
        with source.blob(name_at(proxied), lock.layers[0], 0) as stream:
            if number % 2:
                next(stream.chunks)
    proxied.faults = Faults(path="", status=500, statuses=1)
    with refused(RegistryBusy):
        source.resolve(name_at(proxied), AMD64)
    assert source.resolve(name_at(proxied), AMD64).lock == lock


def test_an_unwanted_body_that_breaks_off_is_no_trouble(proxied, tmp_path, registry):
    transport = Transport(proxied.host, Settings(tmp_path))
    layer = json.loads(small_image("bad day").manifest)["layers"][0]["digest"]
    proxied.faults = Faults(cut=20)
    transport._request("GET", f"{proxied.url}/v2/bad/blobs/{layer}", Asked("x"), {}, same_origin=True).discard()
    transport.close()


def test_a_config_of_another_size_than_its_manifest_says_is_refused(registry, client):
    image = small_image("size")
    manifest = json.loads(image.manifest)
    manifest["config"]["size"] += 1
    name = push(registry, "size", "1", Image(json.dumps(manifest).encode(), image.blobs))
    with refused(
        DigestMismatch,
        f"^the registry {registry}: {manifest['config']['digest']} of size has {manifest['config']['size'] - 1} bytes, expected",
    ):
        client().resolve(Reference.parse(name), AMD64)


def test_a_document_without_end_is_not_read_to_its_end(tmp_path, client):
    """The first 4 MiB and a piece are enough to know."""
    folder = tmp_path / "v2" / "endless" / "manifests"
    folder.mkdir(parents=True)
    with (folder / "1").open("wb") as file:
        file.truncate(1 << 30)
    files = Server(functools.partial(QuietFiles, directory=str(tmp_path)))
    with serving(files), refused(ManifestInvalid, ": larger than 4 MiB"):
        client().resolve(Reference.parse(f"{files.host}/endless:1"), AMD64)


def test_a_consumers_own_trouble_is_not_said_to_be_the_registrys(proxied, client):
    source = client()
    lock = source.resolve(name_at(proxied), AMD64).lock
    with pytest.raises(BrokenPipeError), source.blob(name_at(proxied), lock.layers[0], 0):
        raise BrokenPipeError


# --- plain http and TLS -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "settings", "origin"),
    [
        ("docker.io", {}, "https://registry-1.docker.io"),
        ("r.example", {}, "https://r.example"),
        ("10.0.0.1:5000", {}, "https://10.0.0.1:5000"),
        ("r.example:5000", {"insecure": True}, "http://r.example:5000"),
        ("localhost:5000", {}, "http://localhost:5000"),
        ("127.0.0.1:5000", {}, "http://127.0.0.1:5000"),
        ("[::1]:5000", {}, "http://[::1]:5000"),
        ("localhost.example", {}, "https://localhost.example"),
        ("127.0.0.1.example", {}, "https://127.0.0.1.example"),
    ],
)
def test_plain_http_is_for_this_machine_and_for_what_is_set_so(tmp_path, host, settings, origin):
    transport = Transport(host, Settings(tmp_path, registries={host: RegistrySettings(**settings)}))
    assert transport.origin == origin
    transport.close()


def test_what_is_no_host_is_not_this_machine():
    assert not is_loopback("[::1")
    assert not is_loopback("")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """`good` and `other`, each its own authority, for 127.0.0.1; `late` has expired."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name, days in (("good", "2"), ("other", "2")):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            days,
            "-subj",
            f"/CN={name}",
        ]
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"), "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(registry, certificates):
    push(registry, "bad", "1", small_image("bad day"))
    with Proxy(registry, tls=(str(certificates / "good.pem"), str(certificates / "good.key"))) as proxy:
        yield proxy


def test_a_registry_with_an_authority_of_its_own_needs_its_certificate(secure, client, certificates):
    assert client(**{secure.host: {"ca_file": certificates / "good.pem"}}).resolve(name_at(secure), AMD64).lock.layers
    with refused(RegistryUnreachable, rf"^no secure connection to the registry {secure.host} \(TLS: self.signed certificate\)$") as caught:
        client(**{secure.host: {"ca_file": certificates / "other.pem"}}).resolve(name_at(secure), AMD64)
    assert shell_line(caught.value.hint) == f"set registries.{secure.host}.ca_file to the certificate of its authority"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(secure, client, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with refused(SettingsInvalid, f"^registries.{secure.host}.ca_file: {path} contains no readable certificate"):
        client(**{secure.host: {"ca_file": path}}).resolve(name_at(secure), AMD64)


def test_a_registry_that_speaks_plain_http_in_place_of_tls_is_named_so(registry, client, certificates):
    with refused(RegistryUnreachable, "TLS: the server uses plain http") as caught:
        client(**{registry: {"ca_file": certificates / "good.pem"}}).resolve(Reference.parse(f"{registry}/bad:1"), AMD64)
    assert shell_line(caught.value.hint) == f"set registries.{registry}.insecure to true if that is intended"


def test_an_encrypted_line_that_breaks_is_a_broken_line_and_no_matter_of_certificates(secure, registry, client, certificates):
    source = client(**{secure.host: {"ca_file": certificates / "good.pem"}})
    push(registry, "broken", "1", random_image([300_000], level=0))
    name = Reference.parse(f"{secure.host}/broken:1")
    layer = source.resolve(name, AMD64).lock.layers[0]
    for reset in (False, True):
        secure.faults = Faults(cut=100_000, reset=reset)
        with refused(RegistryUnreachable, "connection closed|reset"), source.blob(name, layer, 0) as stream:
            assert sum(map(len, stream.chunks)) == 0
    secure.faults = Faults()
    with source.blob(name, layer, 100_000) as stream:
        assert (stream.start, sum(map(len, stream.chunks))) == (100_000, layer.size - 100_000)


def test_a_handshake_that_breaks_off_says_so(client, certificates):
    """Somebody accepts and hangs up: what a balancer does whose servers are down."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        host = f"127.0.0.1:{door.getsockname()[1]}"

        def hang_up():
            connection, _ = door.accept()
            connection.recv(4096)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with refused(RegistryUnreachable, "TLS: connection closed by the server|connection reset") as caught:
            client(**{host: {"ca_file": certificates / "good.pem"}}).resolve(Reference.parse(f"{host}/a:1"), AMD64)
        thread.join()
    assert "ca_file" not in shell_line(caught.value.hint)


def test_from_https_nothing_is_followed_to_plain_http(secure, registry, client, certificates):
    source = client(**{secure.host: {"ca_file": certificates / "good.pem"}})
    lock = source.resolve(name_at(secure), AMD64).lock
    with Proxy(registry) as plain:
        secure.faults = Faults(redirect=plain.url)
        with refused(RegistryRefused, "redirects from https to http$"), source.blob(name_at(secure), lock.layers[0], 0):
            pass
        assert plain.asked == []


# --- mirrors ----------------------------------------------------------------------------------------


def test_mirrors_are_asked_in_their_order_and_passed_over_when_they_cannot(registry, client):
    name = Reference.parse(push(registry, "mirrored", "1", small_image("mirror")))
    dead = f"127.0.0.1:{free_port()}"
    with (
        Proxy(registry, Faults(path="", status=404)) as empty,
        Proxy(registry, Faults(path="", status=403)) as closed,
        Proxy(registry) as good,
    ):
        source = client(**{registry: {"mirrors": (dead, empty.host, closed.host, good.host)}})
        lock = source.resolve(name, AMD64).lock
        assert str(lock.reference) == str(name)
        assert whole(source, str(name), lock.layers[0])[0] == 0
        asked = [
            [one.path for one in proxy.asked if one.path.endswith(("manifests/1", lock.layers[0].digest))]
            for proxy in (empty, closed, good)
        ]
        assert [len(paths) for paths in asked] == [2, 2, 2]


def test_a_mirror_may_have_a_path_before_the_repository(registry, client):
    push(registry, "cache/hub/library/web", "1", small_image("hub"))
    source = client(**{"docker.io": {"mirrors": (f"{registry}/cache/hub",)}})
    lock = source.resolve(Reference.parse("web:1"), AMD64).lock
    assert lock.name.startswith("docker.io/library/web@sha256:")
    assert whole(source, "web:1", lock.layers[0])[0] == 0


def test_when_the_registry_fails_too_the_mirrors_troubles_are_evidence(registry, client):
    host, dead = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with refused(RegistryUnreachable, rf"^the registry {host} does not answer \(connection refused\)$") as caught:
        client(**{host: {"mirrors": (registry, dead)}}).resolve(Reference.parse(f"{host}/a:1"), AMD64)
    assert caught.value.evidence == (
        f"mirror {registry}: the registry {registry} has no a:1",
        f"mirror {dead}: the registry {dead} does not answer (connection refused)",
    )
