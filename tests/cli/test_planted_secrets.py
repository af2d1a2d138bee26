"""Each voice of the outside world says every secret of the box in every form; none is in anything that the box shows, stores or sends."""

import base64
import json
import sqlite3
import tarfile
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from kelvin_provision.cli.render.progress import Lines
from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.plan import Drift, Finding
from kelvin_provision.cluster.survey import Condition, Survey
from kelvin_provision.errors import (
    ClusterRefused,
    ClusterUnreachable,
    ImportFailed,
    RegistryRefused,
    RegistryUnreachable,
    RemovalUnfinished,
)
from kelvin_provision.foreign.sanitizer import ForeignError
from kelvin_provision.settings.model import ClusterSettings, RegistrySettings
from kelvin_provision.spec.enums import Method, VolumeKind
from kelvin_provision.spec.workload import Spec, System, Variable, Volume
from kelvin_provision.support import host
from kelvin_provision.usecases import deploy
from tests.kit.box import Box, reconcile
from tests.kit.cli import Stream
from tests.kit.images import random_image
from tests.kit.planted import forms, leaks
from tests.kit.scripts import script

OF_FILES = {
    "a file of secrets_dir": 'b0x "secret" <7>/x+y',
    "a file of several lines": "first-line-of-it\nsecond-line-of-it",
    "the password of a registry": "rEg1stry-pa/ss&word",
    "an identity token": "id3ntity-t0ken-x",
    "the token of a kubeconfig": "kub3config-bearer-token",
    "the login of a proxy": "pr0xy-p4ssword",
}
OF_REQUESTS = {
    "a variable whose name promises a secret": "env1ronment's value",
    "a variable with any other name": "84-7731-pin",
    "a literal secret volume": "v0lume-literal-secret",
}
SECRETS = OF_FILES | OF_REQUESTS
AUTH = base64.b64encode(f"anna:{OF_FILES['the password of a registry']}".encode()).decode()
DUMP = f'core.PodSpec{{Env:[]core.EnvVar{{core.EnvVar{{Name:"PIN", Value:"{OF_REQUESTS["a variable with any other name"]}"}}}}, Cut:"no end'
SAID = ("plain", "json of go", "go", "url", "base64 behind one", "bytes of go")
"""Of the forms that a text may take; `tests/unit/test_foreign.py` has all of them."""
LINES = [
    *(f"{form} [{forms(secret)[form]}]" for secret in SECRETS.values() for form in SAID),
    *(f"cut {secret[:-1]}..." for secret in SECRETS.values()),
    *(f"{secret[1:]} is its end" for secret in SECRETS.values()),
    f"Authorization: Basic {AUTH}",
    f"GET https://anna:{OF_FILES['the login of a proxy']}@r.io/v2/: 401",
    f"\x1b]0;title\x07{DUMP}",
]
TEXT = "; ".join(LINES)


@pytest.fixture
def box(tmp_path, monkeypatch):
    """`pump` 1.0.0 runs and 2.0.0 is staged, on a box with secrets everywhere; a hook writes down what it is given."""
    folder, hooks = tmp_path / "secrets", tmp_path / "hooks"
    folder.mkdir()
    hooks.mkdir(mode=0o755)
    (folder / "db").write_text(OF_FILES["a file of secrets_dir"])
    (folder / "lines").write_text(OF_FILES["a file of several lines"])
    logins, kubeconfig, site = tmp_path / "logins.json", tmp_path / "kubeconfig", tmp_path / "site.yaml"
    logins.write_text(json.dumps({"auths": {"r.io": {"auth": AUTH}, "q.io": {"identitytoken": OF_FILES["an identity token"]}}}))
    kubeconfig.write_text(f"users:\n- name: edge\n  user: {{token: {OF_FILES['the token of a kubeconfig']}}}\n")
    site.write_text(
        f"secrets_dir: {folder}\nhooks: {hooks}\ncluster: {{kubeconfig: {kubeconfig}}}\nregistries: {{r.io: {{auth_file: {logins}}}}}\n"
    )
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:{OF_FILES['the login of a proxy']}@proxy:3128")
    monkeypatch.setattr(host, "journal", lambda unit: TEXT)
    monkeypatch.chdir(tmp_path)
    found = Box(tmp_path / "state")
    found.settings = replace(
        found.settings, secrets_dir=folder, hooks=hooks, cluster=ClusterSettings(kubeconfig=kubeconfig),
        registries={"r.io": RegistrySettings(auth_file=logins)},
    )  # fmt: skip
    for event in ("pre-apply", "post-apply", "on-failure"):
        script(hooks, event, f"env >> {tmp_path}/given; cat >> {tmp_path}/given")
    accept(found, "1.0.0")
    found.turn()
    found.command_apply("pump")
    accept(found, "2.0.0")
    found.turn()
    yield found
    found.close()


def accept(box, version):
    image = f"r.io/pump:{version}"
    box.source.images[image] = random_image([3000])
    variables = (
        Variable("DB_PASSWORD", OF_REQUESTS["a variable whose name promises a secret"]),
        Variable("PIN", OF_REQUESTS["a variable with any other name"]),
        Variable("LEVEL", f"level of {version}"),
    )
    volumes = tuple(
        Volume(name, VolumeKind.SECRET, f"/{name}", secret=secret)
        for name, secret in (("a", "<% secrets.db %>"), ("b", "<% secrets.lines %>"), ("c", OF_REQUESTS["a literal secret volume"]))
    )
    spec = Spec("pump", "Pump", "pump", version, "edge-1", Method.STAGED, image, system=System(environment=variables, volumes=volumes))
    deploy.store(box.ctx, [spec])


def loud(kind):
    return kind(TEXT, evidence=LINES)


def refuse(*verbs, kind=ClusterRefused):
    def before(verb, _):
        if verb in verbs:
            raise loud(kind)

    return before


def of_registry(box):
    box.source.down = loud(RegistryUnreachable)


def of_registry_for_good(box):
    box.source.down = loud(RegistryRefused)


def of_runtime(box):
    box.runtime.error = loud(ImportFailed)


def of_api_server(box):
    box.cluster.before = refuse("put", "revert", "finish", "stop", "remove")


def of_silent_cluster(box):
    box.cluster.before = refuse("plan", "put", "observe", "logs", "state", "survey", "wait", kind=ClusterUnreachable)


def of_dry_run(box):
    box.cluster.findings = [Finding("immutable-field", "pump", "Thing/pump", TEXT)]


def of_survey(box):
    box.cluster.survey_result = Survey(denied=(TEXT,), port_conflicts=(Finding("port-taken", "pump", "Thing/pump", TEXT),))
    box.cluster.conditions = (Condition("Ready", healthy=False, message=TEXT),)


def of_pods(box):
    box.cluster.broken["pump"] = TEXT


def of_undo(box):
    box.cluster.next_healths["pump"] = [Health(Phase.FAILED, TEXT), Health(Phase.WAITING, TEXT)]
    box.cluster.broken["pump"] = TEXT


def of_other_managers(box):
    box.cluster.drifts = [Drift("pump", "Thing/pump", "spec.args", TEXT, [TEXT], "kubectl")]


def of_removal(box):
    box.cluster.before = refuse("remove", "stop", kind=RemovalUnfinished)


def of_containers(box):
    box.cluster.log_lines["pump"] = [line.replace("\n", " ") for line in LINES[: len(SAID) * len(SECRETS)]]


def of_hooks(box):
    (box.settings.state_dir.parent / "said").write_text("\n".join(LINES))
    for event in ("pre-apply", "post-apply", "on-failure"):
        script(box.settings.hooks, event, f"cat {box.settings.state_dir.parent}/said; exit 1")


def of_final_hook(box):
    of_hooks(box)
    (box.settings.hooks / "pre-apply").unlink()


def of_bug(box):
    def before(verb, _):
        if verb in {"plan", "observe", "put"}:
            raise KeyError(TEXT)

    box.cluster.before = before


VOICES = [
    (of_registry,), (of_registry_for_good,), (of_runtime,), (of_api_server,), (of_silent_cluster,), (of_pods,), (of_undo,), (of_removal,),
    (of_hooks,), (of_final_hook,), (of_bug,), (of_dry_run, of_survey, of_other_managers, of_containers),
]  # fmt: skip


def use(box):
    """All commands that show, store or send something, and the agent's turns; yields what each of them writes."""
    accept(box, "3.0.0")
    log = Stream()
    box.progress = Lines(log)
    box.turn(progress=box.ctx.sanitizer.progress(box.progress))
    with suppress(ForeignError):  # a bug, which the agent would log
        reconcile(box)
    for words in (
        "workloads diff -n pump --json", "workloads check -n pump", "workloads apply -n pump --dry-run", "-v workloads apply -n pump",
        "workloads rollback -n pump --json", "workloads stop -n pump --yes", "workloads start -n pump", "workloads list -o wide",
        "workloads show -n pump --live", "workloads show -n pump --json", "workloads history -v", "workloads history --json",
        "workloads logs -n pump", "workloads logs -n pump --json", "agent status", "images list", "doctor",
        "support-bundle -o out.tar.gz", "workloads undeploy -n pump --yes",
    ):  # fmt: skip
        result = box.run(*words.split())
        yield words, result.stdout + result.stderr
    yield "log", log.text()


def kept(box):
    """What is on the disk afterwards. A literal secret is in the ledger with its request, and only there (ADR 0010)."""
    with tarfile.open("out.tar.gz") as tar:
        for member in tar:
            yield f"bundle: {member.name}", tar.extractfile(member).read().decode()
    given = box.settings.state_dir.parent / "given"
    yield "what a hook was given", given.read_text() if given.exists() else ""
    with closing(sqlite3.connect(box.settings.state_dir / "ledger.db")) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in {"spec", "objects"}]
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()  # noqa: S608  (the ledger's own names)
            yield f"ledger: {table}", "\n".join(str(value) for row in rows for value in row)


@pytest.mark.slow
@pytest.mark.parametrize("voices", VOICES, ids=lambda voices: ", ".join(voice.__name__ for voice in voices))
def test_no_secret_comes_out(box, voices):
    for voice in voices:
        voice(box)
    found = [(place, leak) for place, text in (*use(box), *kept(box)) for leak in leaks(text, SECRETS)]
    assert found == []
    for path in box.settings.state_dir.rglob("*"):
        if path.is_file() and "images" not in path.parts:
            assert list(leaks(path.read_bytes().decode("latin-1"), OF_FILES)) == [], path


def test_the_voices_are_heard(box):
    """Without it, the test above would find nothing for the wrong reason."""
    of_dry_run(box)
    assert "plain [***]; json of go [***]" in box.run("workloads", "diff", "-n", "pump").stdout
    box.cluster.findings, box.cluster.broken["pump"] = [], f"\x1b]0;title\x07 {TEXT}"
    result = box.run("workloads", "apply", "-n", "pump")
    assert result.exit_code == 71
    assert "pump: failed, \\x1b]0;title\\x07 plain [***]" in result.stderr
    assert "pump: \\x1b]0;title\\x07 plain [***]" in box.run("workloads", "history", "-v").stdout
