"""The link to registries on real parts: a cap for the rate, a proxy of the office."""

import base64
import hashlib
import shutil
import subprocess
import time

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.context import silent
from kelvin_provision.errors import RegistryUnreachable, SettingsInvalid
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings, RegistrySettings, Settings
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.limits.rate import RateLimit
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.images import push, random_image
from tests.kit.refusals import PASSWORD, USER, refused
from tests.kit.servers.forwarding import forwarding
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.reserved import free_port
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")
SOON = Backoff(first=0.001, cap=0.01, deadline=0.2)
LIMITS = DownloadSettings(stall_timeout=PATIENCE)
OFFICE = "registry.office.test"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def image(registry):
    found = random_image([300_000, 200_000], level=0)
    push(registry, "links", "1", found)
    return found


@pytest.fixture
def client(tmp_path):
    """Makes registries of settings, and closes them."""
    made = []

    def make(limits=LIMITS, **registries):
        chosen = {host: RegistrySettings(**value) for host, value in registries.items()}
        made.append(Registry(Settings(tmp_path, registries=chosen, download=limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def bring(source, store, name, limits=None):
    with download.resolved(source, store, [Reference.parse(name)], AMD64) as locks:
        download.fetch(Transfer(source, store, silent, lambda: False, SOON, limits or TransferLimits()), locks)
    for blob in locks[0].blobs():
        with store.path(blob).open("rb") as file:
            assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == blob.digest
    return locks[0]


# --- the rate -----------------------------------------------------------------------------------------


def test_a_capped_transfer_takes_its_time_and_is_no_stall(registry, image, client, tmp_path):
    rate = 150_000
    with Proxy(registry, Faults(path="/blobs/")) as proxy:
        source = client(DownloadSettings(stall_timeout=3.0, rate=rate))
        began = time.monotonic()
        lock = bring(source, Store(tmp_path), f"{proxy.host}/links:1", TransferLimits(RateLimit(rate)))
        took = time.monotonic() - began
    size = sum(layer.size for layer in lock.layers)
    # A busy machine is slower; faster than the rate and its quarter of a second of burst it can't be.
    assert took >= (size - 0.25 * rate) / rate * 0.95
    assert proxy.sent == size + lock.config.size  # not a byte twice: nothing counted as a stall


# --- proxies ------------------------------------------------------------------------------------------


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_a_plain_registry_is_reached_through_the_proxy_with_its_login(registry, image, client, tmp_path, no_proxies):
    with forwarding(registry, login=LOGIN) as (host, asked):
        no_proxies.setenv("HTTP_PROXY", f"http://{USER}:{PASSWORD}@{host}")
        bring(client(**{OFFICE: {"insecure": True}}), Store(tmp_path), f"{OFFICE}/links:1")
    assert asked[0] == f"GET http://{OFFICE}/v2/links/manifests/1"
    assert len(asked) == 4


def test_a_registry_over_tls_is_reached_through_a_tunnel(registry, image, client, tmp_path, no_proxies):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, pem = str(tmp_path / "key"), tmp_path / "pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words = ["-subj", "/CN=office", "-keyout", key, "-out", str(pem), "-addext", f"subjectAltName=DNS:{OFFICE}"]
    subprocess.run([*command, *words], check=True, capture_output=True)
    with Proxy(registry, tls=(str(pem), key)) as secure, forwarding(secure.host) as (host, asked):
        no_proxies.setenv("https_proxy", host)
        source = client(**{OFFICE: {"ca_file": pem}})
        bring(source, Store(tmp_path), f"{OFFICE}/links:1")
        source.close()
    assert set(asked) == {f"CONNECT {OFFICE}:443"}


@pytest.mark.parametrize("insecure", [True, False])
def test_a_proxy_that_refuses_us_is_named_without_its_login(registry, client, no_proxies, insecure):
    with forwarding(registry, login="Basic other") as (host, _):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            no_proxies.setenv(name, f"http://{USER}:{PASSWORD}@{host}")
        named = "the proxy" if insecure else f"the proxy {host}"
        with refused(RegistryUnreachable, rf"^{named} on the way to the registry {OFFICE} requires a login \(407\)$") as caught:
            client(**{OFFICE: {"insecure": insecure}}).resolve(Reference.parse(f"{OFFICE}/links:1"), AMD64)
    assert shell_line(caught.value.hint) == "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY where the agent runs"


@pytest.mark.parametrize("insecure", [True, False])
def test_a_proxy_that_is_not_there_is_named_without_its_login(client, no_proxies, insecure):
    host = f"127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        no_proxies.setenv(name, f"http://{USER}:{PASSWORD}@{host}")
    with refused(RegistryUnreachable, rf"^the proxy {host} on the way to the registry {OFFICE} does not answer \(connection refused\)$"):
        client(**{OFFICE: {"insecure": insecure}}).resolve(Reference.parse(f"{OFFICE}/links:1"), AMD64)


def test_a_proxy_that_cannot_be_used_is_a_setting_that_is_not_right(client, no_proxies):
    no_proxies.setenv("HTTPS_PROXY", f"socks5://{USER}:{PASSWORD}@127.0.0.1:1080")
    with refused(SettingsInvalid, "^HTTPS_PROXY is not a valid proxy URL$"):
        client().resolve(Reference.parse(f"{OFFICE}/links:1"), AMD64)


def test_this_machine_is_never_asked_for_through_a_proxy(registry, image, client, tmp_path, no_proxies):
    no_proxies.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    bring(client(), Store(tmp_path), f"{registry}/links:1")
