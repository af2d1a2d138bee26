"""A leader and two members on three real nodes: staged once, brought to each, and run there with every registry dead.

The tests are one story, in this order; the site is made once. `.ci/run` says how nodes join the cluster.
"""

import functools
import json
import os
import shutil

import pytest

from kelvin_provision.cluster.labels import MARK, OWNER
from kelvin_provision.spec.workload import Object
from tests.kit.cluster_nodes import ClusterNode, NodeBox, kubectl, nodes_command
from tests.kit.images import SERVE, UNIQUE, busybox, make_image, push, sha256, tar_of
from tests.kit.real_box import remove_namespaces
from tests.kit.servers.kubernetes import KUBECONFIG
from tests.kit.servers.line import Line
from tests.kit.servers.registry import docker_registry
from tests.kit.waiting import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("nodes")]
NAMES = ("lead", "two", "three")
MIB = 1 << 20
PORT = 30500


@functools.cache
def image(text: str, size: int):
    """It answers `text` on port 8080, and has so many bytes that nothing compresses."""
    layers = [
        busybox("sh", "sleep", "cat", "httpd"),
        tar_of({"etc/unique": UNIQUE.encode(), "www/index.html": f"{text}\n".encode()}, mode=0o644),
    ]
    layers += [tar_of({"data": os.urandom(size)})] if size else []
    return make_image(layers, cmd=("/bin/sh", "-c", SERVE), compress=False)


def size_of(made) -> int:
    return len(made.manifest) + sum(map(len, made.blobs.values()))


class Site:
    """`internet` is the only way to the registry; `boxes` has the program on each node, `lead` is the leader's."""

    def __init__(self, folder, registry, internet, nodes):
        self.registry, self.internet, self.nodes = registry, internet, nodes
        self.host = f"{internet.address}:{internet.port}"
        self.namespace = f"nodes-{os.getpid()}"
        settings = {
            "registry": self.host,
            "registries": {self.host: {"insecure": True}},
            "cluster": {"type": "kubernetes", "kubeconfig": os.environ[KUBECONFIG], "namespace": self.namespace, "name": "site"},
            "apply": {"settle": "1s", "timeout": "120s"},
            "download": {"stall_timeout": "10s"},  # of connections that were open when the internet was cut
        }
        listens = {"nodes": {"listen": [f"0.0.0.0:{PORT}"]}}  # in the network of the node
        self.boxes = {name: NodeBox(node, folder / name, settings | listens) for name, node in nodes.items()}
        self.lead = self.boxes["lead"]

    def join(self, name):
        token = self.lead.json("node", "token")["token"]
        written = self.boxes[name].folder / "token"
        written.touch(mode=0o600)
        written.write_text(f"{token}\n")
        self.boxes[name].run("node", "join", f"https://{self.nodes['lead'].address}:{PORT}", "--token-file", str(written))
        self.boxes[name].start_agent()

    def push(self, app, version, made):
        push(self.registry, app, version, made)

    def deploy(self, name, version, manifests, **more):
        path = self.lead.folder / f"{name}-{version}.json"
        path.write_text(
            json.dumps(
                {"name": name, "app_name": name, "app_version": version, "manifests": manifests, "deployment_type": "staged-only", **more}
            )
        )
        self.lead.run("workloads", "deploy", "-f", str(path))

    def ready(self, name, seconds=150.0):
        self.lead.until(lambda: self.lead.staged(name)[0] == "ready", seconds)

    def pods(self, name):
        """Those that are up and are not leaving: node and version."""
        listed = json.loads(kubectl("-n", self.namespace, "get", "pods", "-l", f"{OWNER}={name}", "-o", "json"))["items"]
        up = [pod for pod in listed if not pod["metadata"].get("deletionTimestamp") and _is_ready(pod)]
        return sorted((pod["spec"]["nodeName"], pod["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2]) for pod in up)

    def marks(self, name):
        return [label for label in json.loads(kubectl("get", "node", name, "-o", "json"))["metadata"]["labels"] if label.startswith(MARK)]

    def end(self):
        for box in self.boxes.values():
            box.end()
        remove_namespaces(os.environ[KUBECONFIG], self.namespace)


def _is_ready(pod: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ())


def workload(site, kind, name, version, **pod):
    container = {
        "name": "web",
        "image": f"{site.host}/{name}:{version}",
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **pod}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return [{"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    nodes_command()
    if not shutil.which("docker-registry") or not shutil.which("ctr"):
        pytest.skip("docker-registry and ctr are not installed")
    folder = tmp_path_factory.mktemp("site")
    address = (
        json.loads(kubectl("config", "view", "-o", "json"))["clusters"][0]["cluster"]["server"].removeprefix("https://").rpartition(":")[0]
    )
    nodes, made = {}, None
    try:
        for name in NAMES:
            nodes[name] = ClusterNode.join(name)
        with docker_registry(folder / "registry") as registry, Line(int(registry.rpartition(":")[2]), address) as internet:
            internet.address = address
            made = Site(folder, registry, internet, nodes)
            made.lead.start_agent()
            for name in NAMES[1:]:
                made.join(name)
            yield made
            made.end()
            made = None
    finally:
        if made is not None:
            made.end()
        for node in nodes.values():
            node.leave()


def test_an_image_comes_over_the_internet_once_and_is_ready_when_each_node_has_it(site):
    big = image("one", 200 * MIB)
    site.push("web", "1.0.0", big)
    site.deploy("web", "1.0.0", workload(site, "Deployment", "web", "1.0.0"))
    site.ready("web", 200.0)
    assert site.internet.carried <= 1.02 * size_of(big)
    pinned = f"{site.host}/web@{big.digest}"
    assert {name: (box.has(pinned), len(site.marks(name))) for name, box in site.boxes.items()} == dict.fromkeys(NAMES, (True, 1))


def test_a_member_that_is_killed_while_it_fetches_and_then_the_leader_go_on_where_they_were(site):
    second, member = image("two", 60 * MIB), site.boxes["two"]
    before = site.internet.carried
    site.push("web", "2.0.0", second)
    site.deploy("web", "2.0.0", workload(site, "Deployment", "web", "2.0.0"))
    layer = max(second.blobs.values(), key=len)
    until(lambda: _arrived(member, layer) > 0)
    member.kill_agent()
    until(lambda: site.lead.has(f"{site.host}/web@{second.digest}"))
    assert site.lead.staged("web")[0] == "downloading"
    site.lead.kill_agent()
    site.lead.start_agent()
    member.start_agent()
    site.ready("web")
    assert site.internet.carried - before <= 1.02 * size_of(second)
    assert member.has(f"{site.host}/web@{second.digest}")


def _arrived(box, layer):
    """How much of a blob is in its store, whole or in part."""
    name = sha256(layer).removeprefix("sha256:")
    return sum(path.stat().st_size for path in box.state.rglob(f"*{name}*") if path.is_file())


def test_with_the_internet_cut_it_runs_on_each_node_in_turn(site):
    site.push("daemon", "1.0.0", image("d1", 0))
    site.push("daemon", "2.0.0", image("d2", 0))
    site.deploy("daemon", "1.0.0", workload(site, "DaemonSet", "daemon", "1.0.0"))
    site.ready("daemon")
    site.internet.die()
    site.lead.run("workloads", "apply", "web", "daemon")
    assert [version for _, version in site.pods("web")] == ["2.0.0"]
    assert site.pods("daemon") == [(name, "1.0.0") for name in sorted(NAMES)]
    for name in NAMES:
        others = [other for other in NAMES if other != name]
        kubectl("cordon", *others)
        kubectl("-n", site.namespace, "delete", "pod", "-l", f"{OWNER}=web", "--wait=false")
        until(lambda name=name: site.pods("web") == [(name, "2.0.0")], 150)  # a kubelet takes its time
        kubectl("uncordon", *others)
    site.internet.revive()


def test_a_daemonset_is_rolled_over_all_nodes_while_a_member_is_killed_and_back(site):
    site.deploy("daemon", "2.0.0", workload(site, "DaemonSet", "daemon", "2.0.0"))
    site.ready("daemon")
    site.internet.die()
    applying = site.lead.start("workloads", "apply", "daemon")
    site.boxes["three"].kill_agent()
    said = applying.communicate(timeout=300)
    assert applying.returncode == 0, said
    assert site.pods("daemon") == [(name, "2.0.0") for name in sorted(NAMES)]
    site.boxes["three"].start_agent()
    site.internet.revive()


def test_what_is_for_another_node_is_brought_there_and_nowhere_else(site):
    site.push("far", "1.0.0", image("far", 0))
    site.deploy("far", "1.0.0", workload(site, "Deployment", "far", "1.0.0"), node_name="three")
    site.ready("far")
    pinned = f"{site.host}/far@{image('far', 0).digest}"
    assert (site.boxes["two"].has(pinned), site.boxes["three"].has(pinned)) == (False, True)
    site.lead.run("workloads", "apply", "far")
    assert site.pods("far") == [("three", "1.0.0")]


def test_a_node_that_is_away_is_named_and_gets_what_it_lacks_when_it_is_back(site):
    member = site.boxes["two"]
    member.kill_agent()
    site.push("late", "1.0.0", image("late", 0))
    site.deploy("late", "1.0.0", workload(site, "DaemonSet", "late", "1.0.0"))
    site.lead.until(lambda: site.lead.staged("late")[1] == ("ready 2/3, two is downloading",))
    member.start_agent()
    site.ready("late")
    site.lead.run("workloads", "apply", "late")
    assert site.pods("late") == [(name, "1.0.0") for name in sorted(NAMES)]
