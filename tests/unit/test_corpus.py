"""Manifests and app manifests as people have them (tests/corpus): each is read, rendered and planned, or refused with one sentence."""

import json

import pytest

from kelvin_provision.cluster.docker.render.revision import BoxInfo
from kelvin_provision.cluster.docker.render.revision import render as render_for_docker
from kelvin_provision.cluster.kubernetes.planning import Planner
from kelvin_provision.cluster.kubernetes.render.manifests import flatten
from kelvin_provision.cluster.kubernetes.render.objects import Context, Key
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.plan import Op
from kelvin_provision.errors import RequestRefused, SecretMissing
from kelvin_provision.spec.images import images_of, slots
from kelvin_provision.spec.kinds.shapes import misshapes
from kelvin_provision.spec.manifest_keys import TYPES, Effect
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.accept import accept
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases.bundles.packaging import body_of
from kelvin_provision.usecases.deploy import store
from tests import corpus_page
from tests.kit import corpus
from tests.kit.box import Box
from tests.kit.fakes.kubernetes_server import MemoryApi
from tests.kit.images import make_image, random_image
from tests.kit.locks import lock_of
from tests.kit.requests import defaults

IMAGE = make_image([])
BOX = Context(namespace=corpus.HOME, node_name="edge-1", node_label="edge-1")
ACCEPTED = [case for case in corpus.cases() if not case.refused]
OBJECTS = [case for case in ACCEPTED if case.given == "manifests"]
APPS = corpus.of_groups(corpus.APPS)
HELD = {"waits-for-person.yaml"}


def each(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.file)


def accepted(case, **changes):
    return accept(case.documents(**changes), defaults(namespace=corpus.HOME, registry=corpus.REGISTRY))


def messages(lines):
    """Without the file and the place in it."""
    return tuple(line.partition(": ")[2] for line in lines)


def spec_of(case, **changes):
    (spec,) = accepted(case, **changes).specs
    return spec


def staged(case, revision=1, **changes):
    """Its objects on Kubernetes, as they are applied after staging."""
    spec = spec_of(case, **changes)
    return render(spec, [lock_of(IMAGE, image) for image in images_of(spec)], revision, BOX)


@each(ACCEPTED)
def test_the_request_in_a_package_makes_the_same_version(case):
    spec = spec_of(case)
    documents = read("workload.json", json.dumps(body_of(spec)).encode())
    (again,) = accept(documents, defaults(namespace=corpus.HOME, registry=corpus.REGISTRY)).specs
    assert again == spec


def test_every_file_is_in_the_index_and_there_are_enough_of_each_outcome():
    files = [str(path.relative_to(corpus.FOLDER)) for path in corpus.FOLDER.rglob("*") if path.is_file() and path.name != "index.yaml"]
    assert sorted(files) == sorted(case.file for case in corpus.cases())
    assert len(ACCEPTED) >= 60
    assert len(corpus.cases()) - len(ACCEPTED) >= 50


def test_every_type_of_app_is_there():
    payloads = [case.documents()[0].value["payload"] for case in corpus.cases() if case.given == "payload"]
    types = {payload.get("type") or (payload.get("app") or {}).get("type") for payload in payloads}
    assert {name for name, key in TYPES.items() if key.effect is not Effect.REFUSED} <= types
    assert "task" in types


@each([case for case in corpus.cases() if case.refused])
def test_it_is_refused_with_one_sentence(case):
    with pytest.raises((RequestRefused, SecretMissing)) as caught:
        accepted(case)
    assert messages(caught.value.evidence) == (case.refused,)


@each(ACCEPTED)
def test_it_is_accepted_with_these_warnings(case):
    assert messages(accepted(case).warnings) == case.warnings


@each(ACCEPTED)
def test_nothing_else_of_it_is_changed(case):
    """Besides what is changed in every staged version: images by digest, pull policy, node, namespace, labels, defaults."""
    given = flatten(case.documents()[0].value.get("manifests", ()))
    assert corpus_page.rewritten(given, staged(case)) == case.rewritten


@each(OBJECTS)
def test_its_objects_have_the_shapes_of_their_kinds_and_staged_images(case):
    objects = staged(case)
    assert [str(misshape) for item in objects for misshape in misshapes(item)] == []
    images = [slot.image for item in objects for slot in slots(item)]
    assert [image for image in images if "@sha256:" not in image] == []
    assert len({Key.of(item) for item in objects}) == len(objects)


@each(ACCEPTED)
@pytest.mark.slow
def test_it_is_the_same_after_it_was_in_the_ledger(case):
    spec = spec_of(case)
    assert Spec.from_json(spec.to_json()) == spec


@each(ACCEPTED)
def test_a_second_version_differs(case):
    assert staged(case) != staged(case, 2, version="2.0.0")


CLUSTER_KINDS = {"ClusterIssuer", "IngressClass", "PersistentVolume", "PriorityClass", "RuntimeClass", "Site", "StorageClass"}


class Server(MemoryApi):
    """Knows dry runs."""

    def namespaced(self, version, kind):
        return kind not in CLUSTER_KINDS and super().namespaced(version, kind)

    @staticmethod
    def _key(kind, name, namespace):
        return MemoryApi._key(kind, name, "" if kind in CLUSTER_KINDS else namespace)

    def apply(self, item, namespace, *, force, dry_run=False, manager=""):
        before = dict(self.objects)
        made = super().apply(item, namespace, force=force)
        if dry_run:
            self.objects = before
        return made

    def create(self, item, namespace, *, dry_run=False):
        return self.apply(item, namespace, force=False, dry_run=dry_run)


@each([case for case in ACCEPTED if case.file not in HELD])
@pytest.mark.slow
def test_it_is_planned_put_and_kept(case):
    api = Server(corpus.HOME, "kube-system")
    old, new = staged(case), staged(case, 2, version="2.0.0")

    def planned(objects):
        plan = Planner(api, corpus.HOME, {case.name: objects}, secret, {}).run()
        assert plan.findings == ()
        return {change.op for change in plan.changes}

    assert planned(old) == {Op.CREATE}
    for item in old:
        api.apply(fill_secrets(item, secret), item["metadata"].get("namespace") or "", force=True)
    assert planned(old) == {Op.KEEP}
    assert planned(new) - {Op.KEEP}


def secret(reference):
    return f"value of {reference}"


@each(APPS)
def test_it_is_rendered_for_docker(case):
    spec = spec_of(case)
    locks = [lock_of(IMAGE, image) for image in images_of(spec)]
    *volumes, container = render_for_docker(spec, locks, 1, BoxInfo())
    assert container["kind"] == "Container"
    assert {volume["kind"] for volume in volumes} <= {"Volume"}


def test_objects_are_refused_on_docker_with_one_sentence():
    with pytest.raises(RequestRefused) as caught:
        render_for_docker(spec_of(OBJECTS[0]), (), 0, BoxInfo())
    assert caught.value.evidence == ("manifests: plain Kubernetes objects cannot be applied, this box has no Kubernetes",)


@pytest.mark.slow
def test_some_of_them_live_together_on_a_box_with_fakes(tmp_path):
    apps = APPS[::4]
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("mqtt-user", "mqtt-password"):
        (secrets / name).write_text("s3cret\n")
    box = Box(tmp_path, secrets_dir=secrets)
    names = tuple(case.name for case in apps)

    def objects():
        return {name: box.ledger.workload(name).running.objects for name in names}

    def applied(version):
        specs = [spec_of(case, version=version) for case in apps]
        box.source.images |= {image: random_image([300]) for spec in specs for image in images_of(spec)}
        store(box.ctx, specs)
        box.turn()
        box.command_apply(*names)
        assert set(box.states().values()) == {("running", None)}
        return objects()

    first, second = applied("1.0.0"), applied("2.0.0")
    assert all(first[name] != second[name] for name in names)
    box.rollback(*names)
    assert objects() == first
    box.undeploy(*names)
    assert (box.cluster.live, box.ledger.names()) == ({}, [])
    box.close()
