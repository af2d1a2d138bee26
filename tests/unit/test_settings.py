"""Settings: where each value comes from, who may say what, and every refusal by its words."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kelvin_provision.errors import PermissionRefused, SettingsInvalid
from kelvin_provision.settings.keys import KEYS, table
from kelvin_provision.settings.load import load
from kelvin_provision.settings.lockout import Lockout
from kelvin_provision.settings.model import (
    ApiSettings,
    ApplySettings,
    ClusterSettings,
    DownloadSettings,
    FollowSettings,
    HistorySettings,
    RegistrySettings,
    RuntimeSettings,
    Settings,
    TlsSettings,
    TrustSettings,
)
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Method


@pytest.fixture
def box(tmp_path, monkeypatch):
    """A site file, a user file and an environment."""

    class Box:
        site = tmp_path / "site.yaml"
        user = tmp_path / "config" / "kelvin-provision" / "config.yaml"

        def load(self, *, is_root=False, config=None, state_dir=None, **environ):
            return load(
                config=config, state_dir=state_dir, environ={"KELVIN_PROVISION_SITE_CONFIG": str(self.site)} | environ, is_root=is_root
            )

        def settings(self, **arguments):
            return self.load(**arguments).settings

        def origin(self, key, **arguments):
            (found,) = [(one.value, one.origin) for one in self.load(**arguments).origins if one.key == key]
            return found

        def refused(self, text=None, **arguments):
            if text is not None:
                self.site.write_text(text)
            with pytest.raises(SettingsInvalid) as caught:
                self.load(**arguments)
            return [line.replace(str(tmp_path), "TMP") for line in caught.value.evidence]

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Box.user.parent.mkdir(parents=True)
    return Box()


BYTES = "500k, 2M or 1.5G (powers of 1000), 512Ki or 2MiB (powers of 1024), or a number of bytes"
EVERYTHING = """
state_dir: /srv/state
secrets_dir: ~/secrets
registry: r.example:5000/team
registries:
  r.example:5000: {mirrors: [m.example, 'm2.example:80/x'], insecure: true, ca_file: /etc/ca.pem, auth_file: ~/auth.json}
  docker.io: {mirrors: []}
cluster: {type: kubernetes, kubeconfig: /etc/kube, context: c, namespace: apps, name: site-7}
runtime: {type: containerd, address: /run/c.sock, namespace: k3s, run_32_bit: true}
workload_deploy: {staged: true, instantly_apply: false}
download: {parallel: 16, stall_timeout: 1.5, rate: 500k, window: '22:00-05:00, 12:30-13:00', budget: 2GiB}
apply: {timeout: 1h, rollback_timeout: 90, settle: 0s}
api: {listen: ['127.0.0.1:80', '[::1]:80'], names: [Box.example], realm: site, token_lifetime: 1h, refresh_lifetime: 2h, connections: 8, lockout: 5/15m,
  ui: false, session: 8h, session_idle: 90,
  insecure: true, tls: {cert: /etc/api.pem, key: ~/api.key}}
history: {keep: 500}
keep_revisions: 0
"""


def test_nothing_given_is_the_documented_defaults(box, tmp_path):
    assert box.settings() == Settings(state_dir=tmp_path / "state" / "kelvin-provision")
    assert box.settings(is_root=True) == Settings(state_dir=Path("/var/lib/kelvin-provision"))
    assert {one.origin for one in box.load().origins} == {"default"}


FOLLOWED = (
    ("r.io/fleet:a", "'r.io/fleet:a'"),
    ("[r.io/fleet]", "a list"),
    ("[fleet:a]", "a list"),
    (f"['r.io/fleet:a@sha256:{'1' * 64}']", "a list"),
    (f"[{', '.join(f'r.io/fleet:a{number}' for number in range(17))}]", "a list"),
)
"""Values of follow.publications that are refused, and what the message calls them."""


def test_every_default_of_the_table_is_the_models():
    fixed = {key.name: key.type.read(key.type.from_text(key.default)) for key in KEYS if key.default and "<host>" not in key.name}
    given = Settings(Path("/x"))
    assert fixed == {
        "secrets_dir": given.secrets_dir,
        "cluster.type": given.cluster.type,
        "cluster.namespace": given.cluster.namespace,
        "runtime.type": given.runtime.type,
        "runtime.namespace": given.runtime.namespace,
        "runtime.run_32_bit": given.runtime.run_32_bit,
        "workload_deploy.staged": given.default_method.staged,
        "workload_deploy.instantly_apply": given.default_method.instantly_apply,
        "download.parallel": given.download.parallel,
        "download.stall_timeout": given.download.stall_timeout,
        "download.keep_free": given.download.keep_free,
        "download.deltas": given.download.deltas,
        "apply.timeout": given.apply.timeout,
        "apply.rollback_timeout": given.apply.rollback_timeout,
        "apply.settle": given.apply.settle,
        "apply.grace": given.apply.grace,
        "staging.rehearse": given.staging.rehearse,
        "staging.nodes": given.staging.nodes,
        "hooks": given.hooks,
        "hooks_timeout": given.hooks_timeout,
        "media.folders": given.media.folders,
        "media.auto": given.media.auto,
        "follow.interval": given.follow.interval,
        "follow.apply": given.follow.apply,
        "follow.prune": given.follow.prune,
        "api.listen": given.api.listen,
        "api.insecure": given.api.insecure,
        "api.realm": given.api.realm,
        "api.token_lifetime": given.api.token_lifetime,
        "api.refresh_lifetime": given.api.refresh_lifetime,
        "api.connections": given.api.connections,
        "api.streams": given.api.streams,
        "api.lockout": given.api.lockout,
        "api.ui": given.api.ui,
        "api.session": given.api.session,
        "api.session_idle": given.api.session_idle,
        "history.keep": given.history.keep,
        "keep_revisions": given.keep_revisions,
    }


def test_every_key_of_the_site_file(box):
    box.site.write_text(EVERYTHING)
    home = Path(os.environ["HOME"])
    assert box.settings(is_root=True) == Settings(
        state_dir=Path("/srv/state"),
        secrets_dir=home / "secrets",
        registry="r.example:5000/team",
        registries={
            "r.example:5000": RegistrySettings(("m.example", "m2.example:80/x"), True, Path("/etc/ca.pem"), home / "auth.json"),
            "docker.io": RegistrySettings(),
        },
        cluster=ClusterSettings("kubernetes", Path("/etc/kube"), "c", "apps", "site-7"),
        runtime=RuntimeSettings("containerd", "/run/c.sock", "k3s", run_32_bit=True),
        download=DownloadSettings(16, 1.5, 500_000, Window(((1320, 300), (750, 780))), 2 << 30),
        apply=ApplySettings(3600.0, 90.0, 0.0),
        default_method=Method.STAGED,
        api=ApiSettings(
            listen=("127.0.0.1:80", "[::1]:80"),
            insecure=True,
            tls=TlsSettings(Path("/etc/api.pem"), home / "api.key"),
            names=("box.example",),
            realm="site",
            token_lifetime=3600.0,
            refresh_lifetime=7200.0,
            connections=8,
            lockout=Lockout(5, 900.0),
            ui=False,
            session=28_800.0,
            session_idle=90.0,
        ),
        history=HistorySettings(500),
        keep_revisions=0,
    )
    assert box.origin("registries.r.example:5000.mirrors", is_root=True) == ("m.example, m2.example:80/x", str(box.site))
    assert box.origin("registries.r.example:5000.insecure", is_root=True) == ("true", str(box.site))
    assert box.origin("apply.timeout", is_root=True) == ("1h", str(box.site))


def test_the_nearer_source_wins_key_by_key(box, tmp_path):
    box.site.write_text(
        "cluster: {namespace: site, name: site}\nregistry: site\nkeep_revisions: 7\nregistries: {a.example: {mirrors: [s], insecure: true}}"
    )
    box.user.write_text("cluster: {namespace: user, name: user}\nregistry: user\nregistries: {a.example: {mirrors: [u]}}\nstate_dir: /user")
    variables = {"KELVIN_PROVISION_CLUSTER__NAMESPACE": "variable", "KELVIN_PROVISION_STATE_DIR": "/variable"}
    assert box.origin("cluster.namespace", **variables) == ("variable", "KELVIN_PROVISION_CLUSTER__NAMESPACE")
    assert box.origin("cluster.name", **variables) == ("user", str(box.user))
    assert box.origin("keep_revisions", **variables) == ("7", str(box.site))
    assert box.origin("cluster.type", **variables) == ("auto", "default")
    assert box.origin("state_dir", **variables) == ("/variable", "KELVIN_PROVISION_STATE_DIR")
    assert box.origin("state_dir", state_dir=Path("/flag"), **variables) == ("/flag", "--state-dir")
    assert box.settings(**variables).registries == {"a.example": RegistrySettings(("u",), insecure=True)}
    assert box.settings(state_dir=Path("here")).state_dir == Path.cwd() / "here"


def test_root_reads_the_site_file_only(box):
    box.user.write_text("registry: user\nno-such-key: 1")
    box.site.write_text("registry: site")
    assert box.settings(is_root=True).registry == "site"


def test_the_config_flag_replaces_both_files(box, tmp_path):
    box.site.write_text("registry: site\nkeep_revisions: 7")
    box.user.write_text("registry: user")
    own = tmp_path / "own.yaml"
    own.write_text("registries: {r.example: {insecure: true}}")
    settings = box.settings(config=own)
    assert (settings.registry, settings.keep_revisions) == (None, 2)
    assert settings.registries == {"r.example": RegistrySettings(insecure=True)}
    with pytest.raises(SettingsInvalid, match=r"^there is no file .*/gone.yaml$"):
        box.load(config=tmp_path / "gone.yaml")


def test_trust_comes_from_the_site_file_only(box):
    box.user.write_text("registries: {r.example: {insecure: true, ca_file: /x, auth_file: /y}}")
    assert box.refused() == [
        "TMP/config/kelvin-provision/config.yaml, registries.r.example.insecure: not accepted in this file; set it in /etc/kelvin-provision/config.yaml or with --config",
        "TMP/config/kelvin-provision/config.yaml, registries.r.example.ca_file: not accepted in this file; set it in /etc/kelvin-provision/config.yaml or with --config",
    ]
    assert box.refused("", is_root=True, KELVIN_PROVISION_REGISTRIES__R__INSECURE="true") == [
        "KELVIN_PROVISION_REGISTRIES__R__INSECURE: registries have no variables; set them in /etc/kelvin-provision/config.yaml or with --config"
    ]


def test_hooks_run_as_root_so_their_place_comes_from_the_site_file_only(box):
    box.site.write_text("hooks: /srv/hooks\nhooks_timeout: 30s\napply: {window: '22:00-05:00, 12:00-12:30', grace: 1h}")
    settings = box.settings(is_root=True)
    assert (settings.hooks, settings.hooks_timeout) == (Path("/srv/hooks"), 30.0)
    assert (str(settings.apply.window), settings.apply.grace) == ("22:00-05:00,12:00-12:30", 3600.0)
    assert box.refused("", is_root=True, KELVIN_PROVISION_HOOKS="/home/eve/hooks") == [
        "KELVIN_PROVISION_HOOKS: not accepted from a variable; set it in /etc/kelvin-provision/config.yaml or with --config"
    ]


def test_who_is_believed_comes_from_the_site_file_only(box):
    box.site.write_text("trust: {keys: [/etc/keys/anna.pub, ~/bert.pub], require_signature: [request, bundle, request]}")
    trust = box.settings(is_root=True).trust
    assert (trust.keys, trust.require_signature) == ((Path("/etc/keys/anna.pub"), Path.home() / "bert.pub"), ("request", "bundle"))
    assert box.origin("trust.keys", is_root=True) == ("/etc/keys/anna.pub, ~/bert.pub", str(box.site))
    for variable in ("KEYS", "REQUIRE_SIGNATURE"):
        assert box.refused(is_root=True, **{f"KELVIN_PROVISION_TRUST__{variable}": "/home/eve/key"}) == [
            f"KELVIN_PROVISION_TRUST__{variable}: not accepted from a variable; set it in /etc/kelvin-provision/config.yaml or with --config"
        ]
    box.user.write_text("trust: {keys: [/home/eve/key], require_signature: []}")
    assert [line.partition(": ")[2] for line in box.refused()] == [
        "not accepted in this file; set it in /etc/kelvin-provision/config.yaml or with --config"
    ] * 2


def test_without_keys_nothing_can_be_required(box):
    assert box.settings().trust == TrustSettings((), None)
    assert box.refused("trust: {require_signature: [bundle]}") == [
        "trust.require_signature: there are no trust.keys, so no signature could be accepted; set trust.keys first"
    ]
    box.site.write_text("trust: {require_signature: []}")
    assert box.settings().trust.require_signature == ()


def test_a_window_that_never_opens_is_refused(box):
    assert box.refused("apply: {window: '02:00-02:00'}") == [
        "TMP/site.yaml, apply.window: expected different start and end times in a span; for always, 00:00-24:00, got '02:00-02:00'"
    ]
    assert box.refused("apply: {window: [1]}") == [
        "TMP/site.yaml, apply.window: expected times of day such as 22:00-05:00, several separated by commas, got a list"
    ]


def test_variables_of_every_type(box):
    settings = box.settings(
        KELVIN_PROVISION_DOWNLOAD__PARALLEL="2",
        KELVIN_PROVISION_DOWNLOAD__STALL_TIMEOUT="45",
        KELVIN_PROVISION_APPLY__TIMEOUT="2m",
        KELVIN_PROVISION_WORKLOAD_DEPLOY__STAGED="true",
        KELVIN_PROVISION_REGISTRY="r.example",
        KELVIN_PROVISION_CLUSTER__KUBECONFIG="~/kube",
        KELVIN_PROVISION_CLUSTER__CONTEXT="",
        KELVIN_PROVISION_TEST_KUBECONFIG="/not/ours",
        OTHER="x",
    )
    assert settings.download == DownloadSettings(2, 45.0)
    assert settings.apply.timeout == 120.0
    assert settings.default_method is Method.INSTANT
    assert settings.registry == "r.example"
    assert settings.cluster == ClusterSettings(kubeconfig=Path(os.environ["HOME"]) / "kube")
    assert box.settings(KELVIN_PROVISION_DOWNLOAD__PARALLEL="auto").download.parallel is None


def test_wrong_variables_are_refused_together(box):
    assert box.refused(
        KELVIN_PROVISION_DOWNLOAD__PARALLEL="many",
        KELVIN_PROVISION_WORKLOAD_DEPLOY__STAGED="yes",
        KELVIN_PROVISION_CLUSTER__NAMESPCE="x",
        KELVIN_PROVISION_STATE_DIR="here",
    ) == [
        "KELVIN_PROVISION_CLUSTER__NAMESPCE: unknown key 'KELVIN_PROVISION_CLUSTER__NAMESPCE'; did you mean KELVIN_PROVISION_CLUSTER__NAMESPACE?",
        "KELVIN_PROVISION_DOWNLOAD__PARALLEL, download.parallel: expected an integer from 1 to 16, or auto, got 'many'",
        "KELVIN_PROVISION_STATE_DIR, state_dir: expected an absolute path, or one that begins with ~, got 'here'",
        "KELVIN_PROVISION_WORKLOAD_DEPLOY__STAGED, workload_deploy.staged: expected true or false, got 'yes'",
    ]


def test_other_tools_variables_are_honoured_where_ours_are_silent(box):
    foreign = {"KUBECONFIG": "/a:/b", "DOCKER_HOST": "tcp://127.0.0.1:2375"}
    assert box.origin("cluster.kubeconfig", **foreign) == ("/a:/b", "KUBECONFIG")
    assert box.origin("runtime.address", **foreign) == ("tcp://127.0.0.1:2375", "DOCKER_HOST")
    settings = box.settings(**foreign)
    assert (settings.cluster.kubeconfig, settings.runtime.address) == (Path("/a:/b"), "tcp://127.0.0.1:2375")
    assert box.settings(KELVIN_PROVISION_RUNTIME__TYPE="containerd", **foreign).runtime.address is None
    box.site.write_text("cluster: {kubeconfig: /site}\nruntime: {address: unix:///site}")
    assert box.origin("cluster.kubeconfig", **foreign) == ("/site", str(box.site))
    assert box.origin("runtime.address", **foreign) == ("unix:///site", str(box.site))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registy: x", ["TMP/site.yaml: unknown key 'registy'; did you mean registry?"]),
        ("cluster: {namespce: x}", ["TMP/site.yaml, cluster: unknown key 'namespce'; did you mean namespace?"]),
        ("cluster.namespace: x", ["TMP/site.yaml: unknown key 'cluster.namespace'; accepted are state_dir, secrets_dir, registry, registries, cluster, runtime, workload_deploy, download, apply, staging, hooks, hooks_timeout, api, media, trust, follow, labels, nodes, history, keep_revisions"]),
        ("cluster: k3s", ["TMP/site.yaml, cluster: expected a mapping, got text"]),
        ("[]", ["TMP/site.yaml: expected a mapping, got a list"]),
        ("registries: {r.example: true}", ["TMP/site.yaml, registries.r.example: expected a mapping, got true or false"]),
        ("registries: {'http://r.example': {}}", ["TMP/site.yaml, registries: expected host[:port], without http://, got 'http://r.example'"]),
        ("registries: {r.example: {mirror: []}}", ["TMP/site.yaml, registries.r.example: unknown key 'mirror'; did you mean mirrors?"]),
        ("registries: {r.example: {mirrors: m}}", ["TMP/site.yaml, registries.r.example.mirrors: expected a list of host[:port][/path], without http://, got 'm'"]),
        ("registries: {r.example: {mirrors: ['http://m']}}", ["TMP/site.yaml, registries.r.example.mirrors: expected a list of host[:port][/path], without http://, got a list"]),
        ("registries: {r.example: {insecure: 1}}", ["TMP/site.yaml, registries.r.example.insecure: expected true or false, got 1"]),
        ("registry: https://r.example", ["TMP/site.yaml, registry: expected host[:port][/path], without http://, got 'https://r.example'"]),
        ("state_dir: state", ["TMP/site.yaml, state_dir: expected an absolute path, or one that begins with ~, got 'state'"]),
        ("state_dir: 5", ["TMP/site.yaml, state_dir: expected an absolute path, or one that begins with ~, got 5"]),
        ("cluster: {type: k8s}", ["TMP/site.yaml, cluster.type: expected auto, kubernetes or docker, got 'k8s'"]),
        ("cluster: {namespace: A}", ["TMP/site.yaml, cluster.namespace: expected lower-case letters, digits and '-', at most 63 characters, got 'A'"]),
        ("trust: {keys: /k}", ["TMP/site.yaml, trust.keys: expected a list of at most 32 absolute paths, got '/k'"]),
        ("trust: {keys: [k]}", ["TMP/site.yaml, trust.keys: expected an absolute path, or one that begins with ~, got a list"]),
        (f"trust: {{keys: [{', '.join(['/k'] * 33)}]}}", ["TMP/site.yaml, trust.keys: expected a list of at most 32 absolute paths, got a list"]),
        ("trust: {require_signature: [layer]}", ["TMP/site.yaml, trust.require_signature: expected a list of bundle, request and image, got a list"]),
        ("cluster: {name: ''}", ["TMP/site.yaml, cluster.name: expected text, got ''"]),
        ("download: {parallel: 17}", ["TMP/site.yaml, download.parallel: expected an integer from 1 to 16, or auto, got 17"]),
        ("download: {rate: 2Mbit}", [f"TMP/site.yaml, download.rate: expected a size of at least 1 kB, such as {BYTES}, got '2Mbit'"]),
        ("download: {rate: 0}", [f"TMP/site.yaml, download.rate: expected a size of at least 1 kB, such as {BYTES}, got 0"]),
        ("download: {budget: false}", [f"TMP/site.yaml, download.budget: expected a size of at least 1 MB, such as {BYTES}, got false"]),
        (
            "download: {window: '22-5'}",
            ["TMP/site.yaml, download.window: expected times of day such as 22:00-05:00, several separated by commas, got '22-5'"],
        ),
        ("download: {parallel: true}", ["TMP/site.yaml, download.parallel: expected an integer from 1 to 16, or auto, got true"]),
        ("keep_revisions: -1", ["TMP/site.yaml, keep_revisions: expected an integer of at least 0, got -1"]),
        ("apply: {timeout: 5 minutes}", ["TMP/site.yaml, apply.timeout: expected a duration such as 90, 30s, 5m or 2h, got '5 minutes'"]),
        ("apply: {grace: 1e300}", ["TMP/site.yaml, apply.grace: expected a duration such as 90, 30s, 5m or 2h, got 1e+300"]),
        ("download: {stall_timeout: 9999999999}", ["TMP/site.yaml, download.stall_timeout: expected a duration of at most 366d, got 9999999999"]),
        ("apply: {timeout: -5}", ["TMP/site.yaml, apply.timeout: expected a duration such as 90, 30s, 5m or 2h, got -5"]),
        ("apply: {timeout: true}", ["TMP/site.yaml, apply.timeout: expected a duration such as 90, 30s, 5m or 2h, got true"]),
        (
            "workload_deploy: {instantly_apply: false}",
            ["workload_deploy: staged and instantly_apply are both false, so nothing would be done; set staged: true"],
        ),
        ("api: {listen: 127.0.0.1:80}", ["TMP/site.yaml, api.listen: expected a list of address:port, such as 127.0.0.1:30000 or [::1]:30000, got '127.0.0.1:80'"]),
        ("api: {listen: []}", ["TMP/site.yaml, api.listen: expected a list of address:port, such as 127.0.0.1:30000 or [::1]:30000, got a list"]),
        ("api: {listen: ['localhost:80']}", ["TMP/site.yaml, api.listen: expected a list of address:port, such as 127.0.0.1:30000 or [::1]:30000, got a list"]),
        ("api: {listen: ['127.0.0.1:x']}", ["TMP/site.yaml, api.listen: expected a list of address:port, such as 127.0.0.1:30000 or [::1]:30000, got a list"]),
        ("api: {names: ['a:80']}", ["TMP/site.yaml, api.names: expected a list of host names, got a list"]),
        ("api: {realm: a/b}", ["TMP/site.yaml, api.realm: expected letters, digits, '-' and '_', at most 64 characters, got 'a/b'"]),
        ("api: {lockout: 5}", ["TMP/site.yaml, api.lockout: expected none, or failures and a time such as 5/15m, got 5"]),
        ("api: {lockout: 0/15m}", ["TMP/site.yaml, api.lockout: expected none, or failures and a time such as 5/15m, got '0/15m'"]),
        ("api: {lockout: 5/31d}", ["TMP/site.yaml, api.lockout: expected none, or failures and a time such as 5/15m; the time is a duration of at most 30d, got '5/31d'"]),
        ("api: {session: 59}", ["TMP/site.yaml, api.session: expected a duration of at least 1m, got 59"]),
        ("api: {session_idle: x}", ["TMP/site.yaml, api.session_idle: expected a duration such as 90, 30s, 5m or 2h, got 'x'"]),
        ("api: {connections: 7}", ["TMP/site.yaml, api.connections: expected an integer from 8 to 1024, got 7"]),
        ("follow: {publications: [r.io/fleet:a]}", ["follow.publications: only what is signed is followed, and there are no trust.keys; set trust.keys first"]),
        *((f"trust: {{keys: [/k]}}\nfollow: {{publications: {value}}}", [f"TMP/site.yaml, follow.publications: expected a list of at most 16 publications, each REGISTRY/REPOSITORY:TAG, got {got}"]) for value, got in FOLLOWED),
        ("follow: {interval: 59}", ["TMP/site.yaml, follow.interval: expected a duration of at least 1m, got 59"]),
        ("follow: {apply: window}", ["follow.apply: there is no apply.window, so nothing would be applied; set apply.window first"]),
        ("follow: {report: r.io/reports:x}", ["TMP/site.yaml, follow.report: expected a repository, REGISTRY/REPOSITORY without a tag, got 'r.io/reports:x'"]),
        ("labels: {line: 3}", ["TMP/site.yaml, labels: expected a list of at most 64 labels, got a mapping"]),
        ("labels: [line]", ["TMP/site.yaml, labels: expected a list of NAME=VALUE, such as line=3, got a list"]),
        ("labels: ['line=3 4']", ["TMP/site.yaml, labels: expected a list of NAME=VALUE, such as line=3, got a list"]),
        ("labels: [line=3, line=4]", ["TMP/site.yaml, labels: expected one value for each label, got a list"]),
        ("a: 1\n---\nb: 2", ["TMP/site.yaml: 2 documents; a settings file has one", "TMP/site.yaml: unknown key 'a'; accepted are state_dir, secrets_dir, registry, registries, cluster, runtime, workload_deploy, download, apply, staging, hooks, hooks_timeout, api, media, trust, follow, labels, nodes, history, keep_revisions"]),
        ("registry: a\nregistry: b", ["TMP/site.yaml, document 1, registry: line 2: duplicate key 'registry'; keys must be unique"]),
        (
            "registy: x\ndownload: {parallel: 0}\napply: {settle: x}",
            [
                "TMP/site.yaml: unknown key 'registy'; did you mean registry?",
                "TMP/site.yaml, download.parallel: expected an integer from 1 to 16, or auto, got 0",
                "TMP/site.yaml, apply.settle: expected a duration such as 90, 30s, 5m or 2h, got 'x'",
            ],
        ),
    ],
)  # fmt: skip
def test_each_refusal_of_a_file(box, text, expected):
    assert box.refused(text) == expected


def test_null_and_empty_files_are_nothing_given(box):
    for text in ("", "# only a comment\n", "cluster:\nregistry: null\nregistries: {r.example: }\ndownload: {parallel: ~}\n"):
        box.site.write_text(text)
        assert box.settings(is_root=True) == Settings(state_dir=Path("/var/lib/kelvin-provision"))


def test_a_file_that_cannot_be_opened_is_said_by_name(box, tmp_path):
    with pytest.raises(SettingsInvalid, match=r"^.*/config: is a directory$"):
        box.load(config=tmp_path / "config")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_file_of_root_alone_is_refused_for_others():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        site = Path(folder) / "site.yaml"
        site.touch(mode=0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionRefused, match=r"^.*/site.yaml: no permission to read it$"):
                load(environ={"KELVIN_PROVISION_SITE_CONFIG": str(site)}, is_root=True)
        finally:
            os.seteuid(0)


AUTO = "number of blobs downloaded at the same time; auto starts with 1 and goes up to 4 while that increases the rate"


def test_the_table_is_for_the_docs():
    rows = table()
    assert ("registry", "host[:port][/path]", "", "registry from which <app_name>:<app_version> is pulled, without a scheme") in rows
    assert ("registries.<host>.insecure", "true or false", "false", "allow plain HTTP; only in the site file or with --config") in rows
    assert ("download.parallel", "integer from 1 to 16, or auto", "auto", AUTO) in rows
    assert len(rows) == len(KEYS)
    assert [key.variable for key in KEYS if key.name in {"cluster.namespace", "registries.<host>.mirrors"}] == [
        None,
        "KELVIN_PROVISION_CLUSTER__NAMESPACE",
    ]


def test_yaml_and_pydantic_are_not_imported_without_a_file():
    code = (
        "import sys; from kelvin_provision.settings.load import load;"
        "load(environ={'KELVIN_PROVISION_SITE_CONFIG': '/nonexistent'}, is_root=True);"
        "print(sorted({'yaml', 'pydantic', 'platformdirs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[]\n"


def test_what_is_followed_and_the_labels_of_the_box(box):
    box.site.write_text("""
trust: {keys: [/k]}
apply: {window: 22:00-05:00}
follow: {publications: [r.io:5000/fleet/site:stable, r.io/b:1, r.io/b:1], interval: 10m, apply: window, prune: true, report: r.io/reports}
labels: [line=3, example.com/site=hamburg-2]
""")
    settings = box.settings()
    follow = FollowSettings(("r.io:5000/fleet/site:stable", "r.io/b:1"), 600.0, "window", prune=True, report="r.io/reports")
    assert settings.follow == follow
    assert settings.labels == ("line=3", "example.com/site=hamburg-2")
