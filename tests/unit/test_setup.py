"""Setting up a box, below the command line: what is found, what differs, and what is done in which order."""

import os
import socket
import stat
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from kelvin_provision.api_service import place
from kelvin_provision.errors import (
    ClusterMissing,
    FileUnreadable,
    KeyInvalid,
    ListenRefused,
    Locked,
    PasswordRefused,
    PermissionRefused,
    ServiceFailed,
    SettingsInvalid,
    UsageRefused,
)
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.settings.files import Sources
from kelvin_provision.settings.load import load
from kelvin_provision.setup import carrying_out, finding, plan, questions, site_file
from kelvin_provision.setup.answers import Answers, NewUser
from kelvin_provision.setup.carrying_out import NO_USER, carry_out
from kelvin_provision.setup.finding import Look, choose, find
from kelvin_provision.setup.present import NewBox, look_at
from kelvin_provision.systemd.systemctl import Systemd
from kelvin_provision.trust.trusted import trusted_keys
from tests.kit.box import Box
from tests.kit.signing import key_pair

K3S, DOCKER = "/etc/rancher/k3s/k3s.yaml", "/var/run/docker.sock"
ANNA = NewUser("anna", Level.ADMIN, "Secret123")
AGENT, API = "kelvin-provision-agent.service", "kelvin-provision-api.service"


class Root:
    """Files and sockets as on a box, below a folder. The path is short, because that of a socket must be."""

    def __init__(self, path):
        self.path, self._open = path, []

    def file(self, name, text=""):
        path = self.path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def socket(self, name, *, answers=True):
        path = self.path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        os.chdir(path.parent)
        server.bind(path.name)
        if answers:
            server.listen()
            self._open.append(server)
        else:
            server.close()

    def look(self, **environ):
        return Look(environ, self.path)

    def close(self):
        for server in self._open:
            server.close()


@pytest.fixture
def root(tmp_path_factory, monkeypatch):
    monkeypatch.chdir("/")
    found = Root(tmp_path_factory.mktemp("r"))
    yield found
    found.close()


def names(found):
    return [candidate.name for candidate in found]


# --- finding ------------------------------------------------------------------------------------------


def test_k3s_with_its_containerd_is_found_and_needs_no_setting(root):
    root.file(K3S)
    root.socket(finding.K3S_SOCKET)
    (found,) = find(root.look())
    assert (found.name, found.type, found.place, dict(found.settings)) == ("k3s", "kubernetes", K3S, {})
    assert found.state == f"containerd answers on {finding.K3S_SOCKET}"
    assert choose([found]).reason == "it is the only one on this box"


@pytest.mark.parametrize(
    ("kubeconfig", "name", "settings"),
    [
        ("/etc/rancher/rke2/rke2.yaml", "RKE2", {}),
        ("/var/lib/k0s/pki/admin.conf", "k0s", {"runtime.address": "/run/k0s/containerd.sock"}),
        (
            "/var/snap/microk8s/current/credentials/client.config",
            "MicroK8s",
            {"runtime.address": "/var/snap/microk8s/common/run/containerd.sock"},
        ),
        ("/etc/kubernetes/admin.conf", "Kubernetes", {}),
        ("/root/.kube/config", "Kubernetes", {}),
    ],
)
def test_another_kubernetes_is_found_with_the_settings_that_it_needs(root, kubeconfig, name, settings):
    root.file(kubeconfig)
    for path in (finding.K3S_SOCKET if name == "RKE2" else finding.SOCKET, *settings.values()):
        root.socket(path)
    (found,) = find(root.look())
    assert (found.name, dict(found.settings)) == (name, {"cluster.kubeconfig": kubeconfig, **settings})
    assert found.answers


def test_docker_engine_answers_or_has_ended(root):
    root.socket(DOCKER)
    assert find(root.look())[0].state == "it answers"
    Path(root.path / DOCKER.lstrip("/")).unlink()
    root.socket(DOCKER, answers=False)
    assert find(root.look())[0].state == "nothing answers there"


def test_kubernetes_is_taken_before_docker_and_why_is_said(root):
    root.socket(DOCKER)
    root.file(K3S)
    found = find(root.look())
    assert names(found) == ["k3s", "Docker Engine"]
    assert found[0].state == "no socket of containerd yet"
    assert (choose(found).candidate.name, choose(found).reason) == (
        "k3s",
        "Kubernetes is taken before Docker Engine, which it may run beside",
    )
    assert (choose(found, "docker").candidate.name, choose(found, "docker").reason) == ("Docker Engine", "as asked")
    assert choose(found, "Docker Engine").candidate.name == "Docker Engine"


def test_the_variables_of_the_session_come_first(root, tmp_path):
    root.file(K3S)
    root.socket(DOCKER)
    (tmp_path / "config").touch()
    found = find(root.look(KUBECONFIG=str(tmp_path / "config"), DOCKER_HOST="tcp://engine:2375"))
    assert names(found) == ["Kubernetes of KUBECONFIG", "k3s", "Docker Engine of DOCKER_HOST"]
    assert dict(found[0].settings) == {"cluster.kubeconfig": str(tmp_path / "config")}
    listed = find(root.look(KUBECONFIG=f"{tmp_path}/none:{tmp_path}/config"))
    assert (listed[0].place, dict(listed[0].settings)) == (str(tmp_path / "config"), {}), "a list stays a variable"
    assert names(find(root.look(DOCKER_HOST="unix:///nowhere/docker.sock"))) == ["k3s"]


def test_a_box_with_nothing_is_refused_with_the_places_that_were_looked_at(root):
    assert find(root.look()) == ()
    with pytest.raises(ClusterMissing) as caught:
        choose(())
    assert f"k3s: {K3S}" in caught.value.evidence
    root.file(K3S)
    with pytest.raises(ClusterMissing, match="there is no docker on this box"):
        choose(find(root.look()), "docker")


# --- a box --------------------------------------------------------------------------------------------


class Fresh:
    """A box on which nothing was done yet, in a folder; its systemd does not run."""

    def __init__(self, path, root):
        self.root = root
        self.site = path / "etc/kelvin-provision/config.yaml"
        self.state = path / "state"
        self.path = path
        self.systemd = Systemd(path / "etc/systemd/system", booted=path / "not-booted")
        self.environ = {"KELVIN_PROVISION_SITE_CONFIG": str(self.site)}

    @property
    def box(self):
        sources = Sources(self.environ, is_root=True, state_dir=self.state)
        return NewBox(sources, self.systemd, self.root.look(), self.opened)

    @contextmanager
    def opened(self, settings):
        box = Box(settings.state_dir)
        try:
            yield box.ctx
        finally:
            box.close()

    def setup(self, **answers):
        made = plan.make(self.box, Answers(**answers))
        return carry_out(self.box, made)

    def settings(self):
        return load(environ=self.environ, is_root=True, state_dir=self.state).settings

    def everything(self):
        """What is in every file but those of the state."""
        files = (path for path in self.path.rglob("*") if path.is_file() and not path.is_relative_to(self.state))
        return {path: path.read_bytes() for path in files}

    def key(self, name):
        path = self.path / f"{name}.pub"
        path.write_bytes(key_pair()[1].pem)
        return path


@pytest.fixture
def fresh(tmp_path, root):
    root.socket(DOCKER)
    return Fresh(tmp_path, root)


def outcomes(changes):
    return {f"{change.kind} {change.name}": change.outcome for change in changes}


def test_a_new_box_gets_its_settings_state_services_and_user(fresh):
    key = fresh.key("anna")
    result = fresh.setup(registry="r.example:5000", cluster_name="line-3", listen=("0.0.0.0:443",), trust_keys=(key,), user=ANNA)
    settings = fresh.settings()
    assert (settings.registry, settings.cluster.name, settings.cluster.type) == ("r.example:5000", "line-3", "docker")
    assert settings.api.listen == ("127.0.0.1:30000", "0.0.0.0:443")
    (trusted,) = trusted_keys(settings.trust)
    assert (trusted.name, settings.trust.keys) == ("anna", (fresh.site.parent / "keys/anna.pub",))
    assert [user.name for user in Users(fresh.state, utc_now).all()] == ["anna"]
    assert "0.0.0.0:443" in (fresh.systemd.folder / "kelvin-provision-api.socket").read_text()
    assert f"--state-dir {fresh.state}" in (fresh.systemd.folder / AGENT).read_text()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (fresh.site, settings.trust.keys[0], fresh.state)}
    assert list(modes.values()) == [0o644, 0o644, 0o700]
    assert set(outcomes(result.changes).values()) == {"copied", "set", "made", "added", "written"}
    assert NO_USER not in result.warnings
    assert "Secret123" not in repr(result)


def test_the_file_has_a_comment_for_each_key_and_is_read_back(fresh):
    fresh.setup(registry="r.example:5000", cluster_name="line: 3")
    assert fresh.site.read_text() == (
        site_file.HEAD
        + "\n# registry from which <app_name>:<app_version> is pulled, without a scheme\nregistry: r.example:5000\n"
        + '\ncluster:\n  # name of this cluster on the platform\n  name: "line: 3"\n  # what runs the workloads\n  type: docker\n'
    )


def test_a_second_time_nothing_is_changed(fresh):
    answers = {"registry": "r.example:5000", "listen": ("0.0.0.0:443",), "trust_keys": (fresh.key("anna"),), "user": ANNA}
    fresh.setup(**answers)
    before = fresh.everything()
    result = fresh.setup(**answers)
    assert set(outcomes(result.changes).values()) == {"unchanged"}
    assert result.plan.needed == ()
    assert fresh.everything() == before


def test_only_what_is_asked_for_changes_and_the_old_value_is_shown(fresh):
    fresh.setup(registry="r.example:5000", cluster_name="line-3")
    fresh.site.write_text(fresh.site.read_text() + "# by hand\nkeep_revisions: 5\n")
    made = plan.make(fresh.box, Answers(registry="other.example"))
    assert [(change.name, change.outcome, change.detail) for change in made.needed] == [
        ("registry", "set", "other.example, was r.example:5000")
    ]
    assert made.choice.reason == "as the settings say"
    carry_out(fresh.box, made)
    text = fresh.site.read_text()
    assert "# by hand\nkeep_revisions: 5\n" in text
    assert (fresh.settings().registry, fresh.settings().cluster.name) == ("other.example", "line-3")


def test_a_choice_stays_when_another_engine_is_installed_later(fresh):
    fresh.setup()
    fresh.root.file(K3S)
    fresh.setup(cluster_name="line-3")
    assert fresh.settings().cluster.type == "docker"
    fresh.setup(cluster="k3s")
    assert fresh.settings().cluster.type == "kubernetes"


def test_without_the_api_it_is_left_out_also_the_next_time(fresh):
    fresh.setup(api=False)
    assert not (fresh.systemd.folder / API).exists()
    fresh.setup(registry="r.example")
    assert not (fresh.systemd.folder / API).exists()
    fresh.setup(api=True)
    assert (fresh.systemd.folder / API).exists()


def test_an_interrupted_run_is_continued(fresh, monkeypatch):
    """At every step: what is there stays, and the agent's service, which is written last, says that all is there."""
    key, steps = fresh.key("anna"), ["change_text", "private_folder", "_install"]
    answers = {"registry": "r.example:5000", "trust_keys": (key,), "user": ANNA}
    for name in steps:
        with monkeypatch.context() as patch:
            patch.setattr(carrying_out, name, _cut)
            with pytest.raises(KeyboardInterrupt):
                fresh.setup(**answers)
        assert look_at(fresh.box).is_new
    fresh.setup(**answers)
    assert not look_at(fresh.box).is_new
    assert (fresh.settings().registry, len(trusted_keys(fresh.settings().trust))) == ("r.example:5000", 1)


def _cut(*args, **more):
    raise KeyboardInterrupt


def test_an_image_has_nothing_that_only_one_box_may_have_and_its_services_start_with_the_box(fresh):
    result = fresh.setup(start=False, registry="r.example")
    assert result.checks == ()
    assert list(fresh.state.iterdir()) == []
    links = {
        str(path.relative_to(fresh.systemd.folder)): str(path.readlink()) for path in fresh.systemd.folder.rglob("*") if path.is_symlink()
    }
    assert links == {
        "multi-user.target.wants/kelvin-provision-agent.path": "/etc/systemd/system/kelvin-provision-agent.path",
        "multi-user.target.wants/kelvin-provision-agent.service": f"/etc/systemd/system/{AGENT}",
        "multi-user.target.wants/kelvin-provision-api.service": f"/etc/systemd/system/{API}",
        "sockets.target.wants/kelvin-provision-api.socket": "/etc/systemd/system/kelvin-provision-api.socket",
    }
    with pytest.raises(UsageRefused, match="a user belongs to one box"):
        fresh.setup(start=False, user=ANNA)


def test_an_image_may_be_built_before_there_is_a_cluster_and_a_box_may_not(tmp_path, root):
    bare = Fresh(tmp_path, root)
    with pytest.raises(ClusterMissing):
        bare.setup()
    assert bare.everything() == {}
    bare.setup(start=False)
    assert bare.settings().cluster.type == "auto"
    bare.setup(start=False, cluster="docker")
    assert bare.settings().cluster.type == "docker"


# --- refusals, with nothing changed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"registry": "https://r.example/x y"}, UsageRefused),
        ({"listen": ("everywhere",)}, ListenRefused),
        ({"user": replace(ANNA, password="short")}, PasswordRefused),
        ({"user": replace(ANNA, name="-")}, UsageRefused),
        ({"trust_keys": (Path("/nowhere/anna.pub"),)}, KeyInvalid),
        ({"trust_keys": (Path("/dev/null"),)}, KeyInvalid),
        ({"cluster": "kubernetes"}, ClusterMissing),
        ({"kubeconfig": Path("/nowhere/config")}, FileUnreadable),
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_changed(fresh, answers, error):
    with pytest.raises(error):
        fresh.setup(**answers)
    assert fresh.everything() == {}


def test_settings_that_are_wrong_already_stop_it_with_the_finding(fresh):
    fresh.site.parent.mkdir(parents=True)
    fresh.site.write_text("registri: x\n")
    with pytest.raises(SettingsInvalid) as caught:
        fresh.setup()
    assert "registri" in caught.value.evidence[0]


def test_a_masked_unit_is_refused_before_anything_is_changed(fresh):
    fresh.systemd.folder.mkdir(parents=True)
    (fresh.systemd.folder / AGENT).symlink_to("/dev/null")
    with pytest.raises(ServiceFailed, match="is masked"):
        fresh.setup()
    assert not fresh.site.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_who_may_not_write_is_refused_before_anything_is_asked(fresh):
    fresh.path.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionRefused):
            look_at(fresh.box)
    finally:
        os.seteuid(0)


def test_keys_are_called_by_their_files_and_one_is_never_taken_for_another(fresh):
    (fresh.path / "other").mkdir()
    first, other = fresh.key("anna"), fresh.key("other/anna")
    with pytest.raises(KeyInvalid, match="two different keys are called anna"):
        fresh.setup(trust_keys=(first, other))
    fresh.setup(trust_keys=(first,))
    made = plan.make(fresh.box, Answers(trust_keys=(other,)))
    (change,) = [change for change in made.needed if change.kind == "key"]
    assert "in place of" in change.detail
    again = plan.make(fresh.box, Answers(trust_keys=(first,)))
    assert outcomes(again.changes)["key anna"] == "unchanged"
    odd = fresh.key("od d")
    with pytest.raises(KeyInvalid, match="the name of a key is letters"):
        fresh.setup(trust_keys=(odd,))


def test_the_first_key_changes_what_is_imported_and_that_is_said(fresh):
    made = plan.make(fresh.box, Answers(trust_keys=(fresh.key("anna"),)))
    assert [text for text in made.warnings if "trust.require_signature" in text]
    carry_out(fresh.box, made)
    assert plan.make(fresh.box, Answers(trust_keys=(fresh.key("bert"),))).warnings == ()


def test_beside_a_trust_document_the_keys_of_the_settings_do_not_count_and_that_is_said(fresh):
    box = Box(fresh.state)
    requests.accept_trust(box.ledger, [AcceptedTrust(1, f"sha256:{'0' * 64}", ("anna",), box.clock(), "root", "a file")], "trust import")
    box.close()
    (warning,) = plan.make(fresh.box, Answers(trust_keys=(fresh.key("bert"),))).warnings
    assert warning.startswith("this box follows trust document 1: trust.keys do not count beside it")
    assert plan.make(fresh.box, Answers(registry="r.example")).warnings == ()


def test_an_api_that_was_started_by_hand_is_refused_before_anything_is_changed(fresh, monkeypatch):
    """Where systemd runs, and says that the service does not."""
    programs = fresh.path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\nexit 3\n")
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    fresh.systemd = replace(fresh.systemd, booted=fresh.path)
    with place.held(fresh.state, ["http://127.0.0.1:30000"]), pytest.raises(Locked, match="an API runs already that is no service"):
        fresh.setup()
    assert not fresh.site.exists()


def test_what_overrides_the_file_is_said(fresh):
    fresh.environ["KELVIN_PROVISION_REGISTRY"] = "session.example"
    result = fresh.setup(registry="r.example")
    assert f"KELVIN_PROVISION_REGISTRY overrides {fresh.site}: registry is session.example" in result.warnings


def test_workloads_on_the_other_cluster_are_warned_of(fresh):
    fresh.setup()
    box = Box(fresh.state)
    box.deploy("pump")
    box.ctx.ledger.remember("cluster.type", "docker")
    box.close()
    fresh.root.file(K3S)
    made = plan.make(fresh.box, Answers(cluster="k3s"))
    assert made.warnings == ("this box has workloads on docker, which would stay there without this program: undeploy them first",)


# --- questions ----------------------------------------------------------------------------------------


def test_a_new_box_has_questions_and_one_that_is_set_up_has_none(fresh):
    fresh.root.file(K3S)
    found = find(fresh.root.look())
    present = look_at(fresh.box)
    asked = [question.label for question in questions.missing(present, found, Answers())]
    assert asked == ["Cluster", "Registry", "Name", "Keys", "Address"]
    assert questions.needs_user(present, Answers())
    assert not questions.needs_user(present, Answers(api=False))
    some = Answers(cluster="k3s", registry="r.example", api=False)
    assert [question.label for question in questions.missing(present, found, some)] == ["Name", "Keys"]
    fresh.setup()
    assert list(questions.missing(look_at(fresh.box), found, Answers())) == []


def test_settings_that_are_there_are_not_asked_for(fresh):
    fresh.site.parent.mkdir(parents=True)
    fresh.site.write_text("registry: r.example\ncluster: {name: line-3, type: docker}\n")
    asked = [question.label for question in questions.missing(look_at(fresh.box), find(fresh.root.look()), Answers())]
    assert asked == ["Keys", "Address"]


def test_from_a_copy_it_leads_in_place_of_the_box_that_made_it(fresh, tmp_path):
    lost, path = Box(tmp_path / "lost"), tmp_path / "copy"
    lost.up("1.0.0", "a")
    written = lost.ended("support-bundle", "--ledger-copy", "-o", str(path))
    assert "1 workloads, 0 other nodes" in written.stdout
    assert path.stat().st_mode & 0o777 == 0o600
    made = plan.make(fresh.box, Answers(copy=path))
    assert not fresh.state.exists()
    assert outcomes(made.changes)[f"ledger {fresh.state}/ledger.db"] == "restored"
    assert any("does not lead any more" in text for text in made.warnings)
    result = carry_out(fresh.box, made)
    assert NO_USER not in result.warnings
    box = Box(fresh.state)
    assert set(box.states()) == {"a"}
    with pytest.raises(UsageRefused, match="workloads of its own"):
        plan.make(fresh.box, Answers(copy=path))
    with pytest.raises(UsageRefused, match="not for an image"):
        plan.make(fresh.box, Answers(copy=path, start=False))
    box.close()
    lost.close()
