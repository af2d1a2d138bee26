"""Boxes that follow a publication at Debian's registry: what they take in, refuse, and report; and a whole agent that does so by itself."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from kelvin_provision import wiring
from kelvin_provision.context import silent
from kelvin_provision.following.boxkey import box_key
from kelvin_provision.following.follower import Follower
from kelvin_provision.following.overview import overview
from kelvin_provision.following.reporting import send_report
from kelvin_provision.following.taking import take
from kelvin_provision.publications import artifact, report
from kelvin_provision.publications.choosing import percentile
from kelvin_provision.publications.model import Selector
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.settings.model import ClusterSettings, FollowSettings, Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.trust import computing
from kelvin_provision.trust.verifying import verify_with
from tests.kit.box import Box
from tests.kit.images import sha256
from tests.kit.publishing import entry, made, request
from tests.kit.servers.front import Front
from tests.kit.servers.registry import docker_registry
from tests.kit.signing import computed_here, key_pair, trusting
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("registry")
ANNA, OTTO = key_pair(), key_pair(name="otto")
NUMBERS = count()


class Fleet:
    """A publication at a registry, and boxes that follow it."""

    def __init__(self, host, folder):
        self.host, self.folder = host, folder
        self.reference = f"{host}/fleet/site-{next(NUMBERS)}:stable"
        self.reports = f"{host}/reports/{next(NUMBERS)}"

    def publish(self, serial, *contents, pair=ANNA, **more):
        one, blobs = made(pair, serial, *contents, **more)
        return self.put(one.manifest, blobs.values())

    def put(self, manifest, blobs=(), tag="stable"):
        reference = Reference.parse(self.reference)
        with closing(wiring.destination(Settings(state_dir=self.folder), silent)) as destination:
            for data in blobs:
                destination.blob(reference, Descriptor("application/octet-stream", sha256(data), len(data)), data)
            return destination.manifest(reference, manifest, OCI_MANIFEST, tag)

    @contextmanager
    def box(self, name, **follow):
        folder = self.folder / name.replace("/", "-")
        folder.mkdir()
        follow = {"publications": (self.reference,), "report": self.reports} | follow
        settings = {"follow": FollowSettings(**follow), "trust": trusting(folder, ANNA), "cluster": ClusterSettings(name=name)}
        box = Box(folder / "state", **settings)
        box.source = Registry(box.settings)
        with closing(box):
            yield box


@pytest.fixture
def fleet(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    return Fleet(registry, tmp_path)


def staged(box):
    return {workload.name: workload.staged.spec.app_version for workload in box.ledger.workloads() if workload.staged}


def refused(box, fleet):
    error = take(box.ctx, fleet.reference).error
    assert overview(box.ctx)[0].followed.trouble.code == error.code
    return error.code


def test_two_boxes_each_with_what_is_meant_for_it_and_what_is_wrong_is_refused_by_both(fleet):
    reached, other = sorted(("north", "south"), key=lambda name: percentile("pump", name))
    new, old, fan = request("pump", "2.0.0"), request("pump"), request("fan")
    share = percentile("pump", reached) + 1
    entries = [entry(new, rollout=share), entry(old), entry(fan, selector=Selector(boxes=(other,)))]
    with fleet.box(reached) as first, fleet.box(other) as second:
        fleet.publish(5, new, old, fan, entries=entries)
        assert [take(box.ctx, fleet.reference).error for box in (first, second)] == [None, None]
        assert [staged(box) for box in (first, second)] == [{"pump": "2.0.0"}, {"pump": "1.0.0", "fan": "1.0.0"}]
        before = [staged(box) for box in (first, second)]
        for serial, pair, code in ((6, OTTO, "signer-unknown"), (4, ANNA, "publication-older")):
            fleet.publish(serial, request("pump", "6.6.6"), pair=pair)
            assert [refused(box, fleet) for box in (first, second)] == [code, code]
        assert [staged(box) for box in (first, second)] == before
        fleet.publish(7, old, withdrawn=("fan",))
        assert [take(box.ctx, fleet.reference).withdrawn for box in (first, second)] == [(), ("fan",)]
        assert [staged(box) for box in (first, second)] == [{"pump": "1.0.0"}, {"pump": "1.0.0", "fan": "1.0.0"}]


def test_the_tag_moves_between_the_look_and_the_reading(fleet, monkeypatch):
    with fleet.box("north") as box:
        first = fleet.publish(1, request("pump"))
        look = box.source.digest

        def digest(reference, known=""):
            seen = look(reference, known)
            fleet.publish(2, request("fan"), pair=OTTO)
            return seen

        monkeypatch.setattr(box.source, "digest", digest)
        assert take(box.ctx, fleet.reference).error is None
        assert (staged(box), overview(box.ctx)[0].followed.digest) == ({"pump": "1.0.0"}, first)


def test_requests_of_five_mib_arrive_and_a_document_that_is_larger_than_it_may_be_is_not_even_read(fleet):
    large = [request(f"pump-{number}", title="x" * 1_000_000) for number in range(5)]
    with fleet.box("north") as box:
        fleet.publish(1, *large)
        taken = take(box.ctx, fleet.reference)
        assert taken.error is None
        assert len(taken.staged) == 5
        one, blobs = made(ANNA, 2, request("fan"))
        manifest = json.loads(one.manifest)
        manifest["layers"][0] = {
            "mediaType": manifest["layers"][0]["mediaType"],
            "digest": manifest["layers"][0]["digest"],
            "size": 5 << 20,
        }
        fleet.put(json.dumps(manifest).encode(), blobs.values())
        assert refused(box, fleet) == "publication-invalid"


def test_hostile_shapes_are_refused_each_by_its_name(fleet):
    one, blobs = made(ANNA, 1, request("pump"))
    manifest = json.loads(one.manifest)
    document, signatures, body = manifest["layers"]
    image = manifest | {"artifactType": "application/vnd.oci.image.config.v1+json"}
    plain = [{key: value for key, value in layer.items() if key != "data"} for layer in (document, signatures, body)]
    chance = random.Random(20)  # noqa: S311  (the same each time)
    shapes = {
        "an image": image,
        "no layers": manifest | {"layers": []},
        "swapped": manifest | {"layers": [signatures, document, body]},
        "data of others": manifest | {"layers": [document | {"data": signatures["data"]}, signatures, body]},
        "data that is none": manifest | {"layers": [document | {"data": "%%%"}, signatures, body]},
        "document that is a request": manifest
        | {"layers": [plain[0] | {"digest": body["digest"], "size": body["size"]}, signatures, body]},
        "signatures that are a document": manifest
        | {"layers": [document, plain[1] | {"digest": document["digest"], "size": document["size"]}, body]},
        "numbers": manifest | {"layers": [document | {"size": -1}, signatures, body]},
    }
    with fleet.box("north") as box:
        for name, shape in shapes.items():
            try:
                fleet.put(json.dumps(shape).encode(), blobs.values())
            except Exception:  # noqa: BLE001, S112  (a registry that refuses the shape itself is as good)
                continue
            assert refused(box, fleet) in {"publication-invalid", "signature-invalid", "digest-mismatch"}, name
        noise = bytearray(json.dumps({"schema": 1, "kind": "publication"}).encode() + chance.randbytes(2000))
        made_up = artifact.make("application/vnd.kelvin-provision.publication.v1+json", bytes(noise), b"[]")
        fleet.put(made_up.manifest, [data for _, data in made_up.blobs])
        assert refused(box, fleet) == "signature-missing"
        assert staged(box) == {}


def test_a_registry_that_goes_away_and_comes_back(fleet, tmp_path):
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    folder = tmp_path / "own"
    with docker_registry(folder) as host:
        own = Fleet(host, tmp_path)
        own.publish(1, request("pump"))
    port = int(host.rpartition(":")[2])
    with own.box("north") as box:
        assert refused(box, own) == "registry-unreachable"
        with docker_registry(folder, port=port):
            assert take(box.ctx, own.reference).error is None
        assert staged(box) == {"pump": "1.0.0"}
        assert refused(box, own) == "registry-unreachable"
        assert staged(box) == {"pump": "1.0.0"}


class Child:
    def __init__(self, box):
        self.box, self.taken = box, []

    def take_in(self, reference, stop):
        self.taken.append(reference)
        return take(self.box.ctx, reference).error is None


def test_a_look_that_finds_nothing_is_one_request_of_less_than_a_kib(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    now = 0.0
    with Front(registry) as front:
        fleet = Fleet(front.host, tmp_path)
        with fleet.box("north", report=None) as box:
            fleet.publish(1, request("pump"))
            child = Child(box)
            follower = Follower(box.agent(), child, clock=lambda: now, chance=lambda: 0.5)
            now = 150.0
            follower.turn()
            front.asked.clear()
            before = box.ledger.version()
            now = 450.0
            follower.turn()
            assert [(method, path.rpartition("/")[2], length) for method, path, length in front.asked] == [("HEAD", "stable", 0)]
            assert (child.taken, box.ledger.version()) == ([fleet.reference], before)
            fleet.publish(2, request("pump", "2.0.0"))
            now = 750.0
            follower.turn()
            assert len(child.taken) == 2


def test_what_a_box_reports_is_signed_by_its_own_key_and_stands_under_a_tag_of_its_own(fleet):
    with fleet.box("north 1/2") as box, fleet.box("south") as other:
        fleet.publish(3, request("pump", title="password=hunter2"))
        take(box.ctx, fleet.reference)
        box.turn()
        sent, again, third = send_report(box.ctx), send_report(box.ctx), send_report(other.ctx)
        key = box_key(box.settings.state_dir)
        assert sent.tag == again.tag == report.tag_of("north-1-2", key.public.key_id)
        assert sent.tag.startswith("north-1-2-")
        assert third.tag != sent.tag
        with closing(wiring.destination(box.settings, silent)) as destination:
            reference = Reference.parse(fleet.reports)
            assert sorted(destination.tags(reference)) == sorted([sent.tag, third.tag])
            parts = artifact.read(destination.read(reference, sent.tag), report.PAYLOAD_TYPE)
        assert verify_with(report.PAYLOAD_TYPE, parts.document.data, parts.signatures.data, (key.public,)).signers
        value = report.decode(parts.document.data)
        (pump,) = value.workloads
        assert (pump.name, pump.staged.version, pump.staged.request) == (
            "pump",
            "1.0.0",
            entry(request("pump", title="password=hunter2")).digest,
        )
        assert (value.following[0].reference, value.following[0].serial) == (fleet.reference, 3)
        assert b"hunter2" not in parts.document.data
        assert (box.settings.state_dir / "box.key").stat().st_mode & 0o777 == 0o600


def test_a_whole_agent_takes_in_reports_and_keeps_nothing_of_what_that_imports(registry, tmp_path):
    fleet = Fleet(registry, tmp_path)
    fleet.publish(1, request("pump"))
    (key,) = trusting(tmp_path, ANNA).keys
    config = tmp_path / "config.yaml"
    # A box whose engine is not there yet takes requests in all the same.
    config.write_text(
        f"trust: {{keys: [{key}]}}\nfollow: {{publications: [{fleet.reference}], interval: 1m, report: {fleet.reports}}}\n"
        f"cluster: {{type: docker, name: north}}\nruntime: {{type: docker, address: 'unix://{tmp_path}/absent.sock'}}\n"
    )
    options = ["--config", str(config), "--state-dir", str(tmp_path / "state")]
    words = [sys.executable, "-m", "kelvin_provision", *options]
    # Chance is such that the first look is due at once.
    at_once = "import random, runpy; random.random = lambda: 0.0; runpy.run_module('kelvin_provision', run_name='__main__')"
    environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/absent.sock", "PYTHONPATH": str(Path.cwd())}
    running = [sys.executable, "-c", at_once, *options, "agent", "run"]
    with subprocess.Popen(running, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as agent:
        try:

            def listed():
                done = subprocess.run([*words, "follow", "list", "--json"], env=environment, capture_output=True, text=True, check=True)
                document = json.loads(done.stdout)
                return document["publications"][0]["serial"] == 1 and document["report"]["sent"]

            until(listed, 120, pause=0.5)
            maps = Path(f"/proc/{agent.pid}/maps").read_text()
            assert [name for name in ("_pydantic_core", "cryptography", "_rust.abi3") if name in maps] == []
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(60)
