"""support-bundle, whole: secrets planted wherever one can stand, and none of them in the file; what support needs is."""

import base64
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from kelvin_provision.errors import ClusterUnreachable, TransferStopped
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.masking.redactor import RULES, Redactor
from kelvin_provision.spec.enums import Method, ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Probe, Spec, System, Variable, Volume
from kelvin_provision.support import sections as blackbox
from kelvin_provision.support.archive import Bundle
from kelvin_provision.trust import computing
from tests.kit.box import Box
from tests.kit.cli import captured, run
from tests.kit.signing import computed_here, key_pair, trusting
from tests.kit.trusting import signed, trust_document, written

pytestmark = pytest.mark.slow

PLANTED = {
    "registry": "rEg1stry-pa/ss",
    "token": "id3ntity-t0ken-x",
    "volume": 'v0lume "quoted" secret',
    "variable": "env1ronment+value",
    "nested": "payl0ad-nested-value",
    "file": "in-a-c0nfig-file",
    "box": "b0x-secret-of-two\nlines-of-it-here",
    "address": "url-p4ssword-here",
    "proxy": "pr0xy-p4ssword",
    "hook": "h00k-said-this-one",
    "kubeconfig": "kub3config.bearer.token",
    "client key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBd0bGVzcyBzZWNyZXQga2V5Cg==\n-----END EC PRIVATE KEY-----",
    "pin": "84-7731-pin",
    "option": "4711-short-option",
    "argument": "argument-n0-2",
    "header": "t3nant-header",
    "log": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsZWFrZWQifQ.bG9nZ2VkLXRva2Vu",
}


def plant(box, tmp_path, monkeypatch):
    """Each secret where such ones stand, and all of them in everything that is written freely."""
    said = PLANTED
    logins = tmp_path / "logins.json"
    auth = base64.b64encode(f"anna:{said['registry']}".encode()).decode()
    logins.write_text(json.dumps({"auths": {"r.io": {"auth": auth}, "q.io": {"auth": "", "identitytoken": said["token"]}}}))
    kubeconfig = tmp_path / "kubeconfig"
    encoded = base64.b64encode(said["client key"].encode()).decode()
    kubeconfig.write_text(f"users:\n- name: edge\n  user:\n    token: {said['kubeconfig']}\n    client-key-data: {encoded}\n")
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "db").write_text(said["box"])
    site = tmp_path / "site.yaml"
    site.write_text(
        f"secrets_dir: {folder}\ncluster: {{kubeconfig: {kubeconfig}, type: kubernetes}}\nruntime: {{address: 'tcp://me:{said['address']}@h'}}\n"
        f"registries:\n  r.io:\n    auth_file: {logins}\n"
    )
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    monkeypatch.setenv("HTTPS_PROXY", f"http://u:{said['proxy']}@proxy:3128")
    text = f"level: info\npassword: {said['file']}\n"
    spec = Spec(
        "pump", "Pump", "pump", "1.0.0", "edge-1", Method.STANDARD, "r.io/pump:1.0.0",
        system=System(
            environment=(Variable("DB_PASSWORD", said["variable"]), Variable("LEVEL", "debug-level"), Variable("PIN", said["pin"])),
            liveness=Probe(ProbeKind.HTTP, port=80, headers=(("X-Tenant", said["header"]),)),
            readiness=Probe(ProbeKind.EXEC, command=("sh", "-c", f"mqtt -P {said['option']} --api-key={said['argument']}")),
            volumes=(
                Volume("v", VolumeKind.SECRET, "/v", secret=said["volume"]),
                Volume("t", VolumeKind.TEXT, "/t", data=base64.b64encode(text.encode()).decode()),
            ),
        ),
        configuration={"mqtt": {"credentials": {"pass": said["nested"]}}, "rate": 7},
    )  # fmt: skip
    box.ledger.accept([replace(spec, payload={"system": {"volumes": [{"secret": {"value": said["volume"]}}]}})], "batch")
    everything = " ".join((*said.values(), auth, quote(said["registry"], safe="")))
    hook = f"token={said['hook']}"
    history.record(
        box.ledger, Entry("2026-01-02T03:04:05Z", "anna", "apply", "pump", 1, "failed", f"hook post-apply: {hook}; {everything}")
    )
    (box.settings.state_dir / "agent.log").write_text(f"what the agent said\n{everything}\n{hook}\n")
    (box.settings.state_dir / "agent.log.1").write_text(f"earlier {everything}\n")
    box.cluster.log_lines["pump"] = ["ready to pump", *everything.splitlines(), base64.b64encode(everything.encode()).decode(), hook]


def template(path):
    found = Box(path)
    found.deploy("motor")
    found.turn()
    found.command_apply("motor")
    found.cluster.log_lines["motor"] = ["motor turns"]
    return found


@pytest.fixture
def box(copy_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blackbox.host, "journal", lambda unit: "-- journal --\n")
    return copy_of(template)


def bundle(box, *more):
    return box.run("support-bundle", *more)


def opened(path):
    with tarfile.open(fileobj=io.BytesIO(path if isinstance(path, bytes) else path.read_bytes())) as tar:
        return {member.name.partition("/")[2]: tar.extractfile(member).read().decode() for member in tar}


def names(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


def written_forms(secret):
    whole = base64.b64encode(secret.encode()).decode()
    shifted = base64.b64encode(b"ab" + secret.encode()).decode()[4:-4]
    lines = [line for line in secret.splitlines() if not line.startswith("-----")]
    return {
        *lines,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        whole,
        whole.rstrip("=")[:-1],
        shifted,
    }


def test_no_planted_secret_is_in_the_file_in_any_form(box, tmp_path, monkeypatch):
    plant(box, tmp_path, monkeypatch)
    result = bundle(box, "-o", "out.tar.gz")
    assert result.exit_code == 0, result.stderr
    files = opened(tmp_path / "out.tar.gz")
    login = base64.b64encode(f"anna:{PLANTED['registry']}".encode()).decode()
    forms = {form: what for what, secret in [*PLANTED.items(), ("login", login)] for form in written_forms(secret)}
    assert [(name, forms[form]) for name, text in (*files.items(), ("stderr", result.stderr)) for form in forms if form in text] == []
    assert json.loads(files["manifest.json"])["unread"] == []


def test_what_a_support_person_needs_is_still_in_it(box, tmp_path, monkeypatch):
    plant(box, tmp_path, monkeypatch)
    bundle(box, "-o", "out.tar.gz")
    files = opened(tmp_path / "out.tar.gz")
    assert set(files) >= {
        "versions.json", "configuration.json", "trust.json", "disk.json", "workloads.json", "ledger.jsonl", "history.jsonl", "agent.json", "agent.log",
        "journal.log", "api-journal.log", "cluster.json", "runtime.json", "images.jsonl", "evidence.txt", "logs/motor.log", "logs/pump.log", "redaction.txt",
        "manifest.json",
    }  # fmt: skip
    assert json.loads(files["versions.json"])["kelvin_provision"] == "0.1.0"
    settings = {one["setting"]: one for one in json.loads(files["configuration.json"])["settings"]}
    assert settings["runtime.address"]["value"] == "tcp://***@h"
    assert settings["registries.r.io.auth_file"] | {"origin": ""} == {
        "setting": "registries.r.io.auth_file", "value": str(tmp_path / "logins.json"), "origin": ""
    }  # fmt: skip
    rows = [json.loads(line) for line in files["ledger.jsonl"].splitlines()]
    spec = next(row["spec"] for row in rows if row["table"] == "revisions" and row["workload"] == "pump")
    assert spec["system"]["environment"] == [
        {"name": "DB_PASSWORD", "value": "***"}, {"name": "LEVEL", "value": "debug-level"}, {"name": "PIN", "value": "***"}
    ]  # fmt: skip
    assert spec["system"]["readiness"]["command"] == ["sh", "-c", "mqtt -P *** --api-key=***"]
    assert spec["system"]["liveness"]["headers"] == [["X-Tenant", "***"]]
    assert (spec["configuration"], spec["image"]) == ({"mqtt": {"credentials": {"pass": "***"}}, "rate": 7}, "r.io/pump:1.0.0")
    history = [json.loads(line) for line in files["history.jsonl"].splitlines()]
    assert (history[0]["whole"], [(line["action"], line["outcome"]) for line in history[1:]][-1]) == (True, ("apply", "failed"))
    assert files["agent.log"].startswith("earlier ***")
    assert "what the agent said\n" in files["agent.log"]
    assert "motor-0/motor motor turns\n" in files["logs/motor.log"]
    assert json.loads(files["cluster.json"])["observed"]["motor"]["observed"] == "running"
    image = json.loads(files["images.jsonl"].splitlines()[1])
    assert (image["image"], image["in_runtime"], image["in_store"] == image["bytes"]) == ("r.io/motor:1.0.0", True, True)
    manifest = json.loads(files["manifest.json"])
    assert manifest["missing"] == []
    assert {rule["rule"] for rule in manifest["redacted"] if rule["times"]} >= {"known-values", "names", "logins-in-addresses"}
    assert files["redaction.txt"].splitlines()[3:] == [f"{rule.id} - {rule.what}." for rule in RULES]


def test_words_of_messages_setting_names_and_keys_of_facts_are_not_taken_for_secrets(box, tmp_path, monkeypatch):
    plant(box, tmp_path, monkeypatch)
    message = "secret db-password: there is no file /etc/kelvin-provision/secrets/db-password"
    history.record(box.ledger, Entry("2026-01-02T03:04:06Z", "anna", "apply", "pump", 1, "failed", message))
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET error = ? WHERE workload = 'pump'", (message,))
    bundle(box, "-o", "out.tar.gz")
    files = opened(tmp_path / "out.tar.gz")
    assert json.loads(files["history.jsonl"].splitlines()[-1])["detail"] == message
    rows = [json.loads(line) for line in files["ledger.jsonl"].splitlines()]
    assert next(row["error"] for row in rows if row["table"] == "revisions" and row["workload"] == "pump") == message
    configuration = json.loads(files["configuration.json"])
    assert [one["setting"] for one in configuration["settings"]][:3] == ["state_dir", "secrets_dir", "registry"]
    assert [set(file) for file in configuration["files"]] == [{"file", "role", "there"}]
    facts = [one["found"] for one in json.loads(files["doctor.json"])["checks"] if one["id"] == "configuration"]
    assert facts
    assert not any("***" in fact for fact in facts)


def test_the_answer_says_where_it_is_and_how_much(box, tmp_path):
    result = bundle(box)
    (path,) = tmp_path.glob("kelvin-provision-*.tar.gz")
    assert result.stdout.startswith(f"bundle {path.name}: written, ")
    assert result.stderr == f"warning: agent.log: no such file or directory: {tmp_path}/state/agent.log\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {name.partition("/")[0] for name in names(path)} == {path.name.removesuffix(".tar.gz")}
    item = json.loads(bundle(box, "--json", "-o", "x.tar.gz", "--quiet").stdout)["items"]
    assert [(one["kind"], one["name"], one["outcome"]) for one in item] == [("bundle", "x.tar.gz", "written")]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([path.name, "x.tar.gz", "state"])


@pytest.mark.parametrize(("name", "what"), [("stdout", "a link"), ("null", "not a regular file")])
def test_a_device_is_not_replaced_by_the_file(box, tmp_path, monkeypatch, name, what):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("null")
    Path("stdout").symlink_to("/proc/self/fd/1")
    before = Path(name).lstat()
    refused = run("support-bundle", "-o", name, "--state-dir", str(box.settings.state_dir))
    assert (refused.exit_code, f"cannot write {tmp_path if name == 'null' else ''}" in refused.stderr) == (os.EX_CANTCREAT, True)
    assert (f"it is {what}" in refused.stderr, Path(name).lstat()) == (True, before)


def test_it_goes_to_standard_output_and_not_to_a_terminal(box):
    out = captured(lambda: run_to_bytes(box), encoding="latin-1")
    out.check(stderr="")
    assert "manifest.json" in opened(out.stdout.encode("latin-1"))
    refused = run("support-bundle", "-o", "-", "--state-dir", str(box.settings.state_dir), terminal=True)
    assert refused.stderr == ("error: the file is no text: not for a terminal\n hint: kelvin-provision support-bundle -o - > FILE.tar.gz\n")
    assert bundle(box, "-o", "-", "--json").exit_code == 2


def run_to_bytes(box):
    from kelvin_provision.cli.main import main

    return main(["support-bundle", "-o", "-", "--state-dir", str(box.settings.state_dir)])


def test_a_cluster_that_is_away_is_one_line_and_no_failure(box, tmp_path):
    box.cluster.unreachable = True
    result = bundle(box, "-o", "out.tar.gz")
    assert result.exit_code == 0
    assert "warning: cluster.json, evidence.txt, logs/motor.log: " in result.stderr
    assert json.loads(opened(tmp_path / "out.tar.gz")["ledger.jsonl"].splitlines()[0])["table"] == ""
    assert [verb for verb, _ in box.cluster.calls].count("logs") == 0


def test_a_broken_ledger_does_not_keep_the_rest_from_it(box, tmp_path):
    path = box.settings.state_dir / "ledger.db"
    box.close()
    path.write_bytes(b"this is no ledger" * 1000)
    result = bundle(box, "-o", "out.tar.gz")
    assert result.exit_code == 0
    assert "ledger: not read (" in result.stderr
    files = opened(tmp_path / "out.tar.gz")
    assert {"versions.json", "cluster.json", "disk.json", "logs/motor.log"} < set(files)
    assert "workloads.json, ledger.jsonl, history.jsonl, agent.json, images.jsonl, check.json: " in result.stderr
    assert path.read_bytes() == b"this is no ledger" * 1000


def test_a_box_without_anything_gets_no_ledger_by_being_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("support-bundle", "-o", "out.tar.gz", "--state-dir", str(tmp_path / "none"), "--quiet")
    assert result.exit_code == 0
    assert not (tmp_path / "none").exists()


def test_settings_that_are_wrong_are_in_it_with_the_findings(box, tmp_path, monkeypatch):
    (tmp_path / "site.yaml").write_text("registri: r.io\n")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    assert bundle(box, "-o", "out.tar.gz").exit_code == 0
    assert json.loads(opened(tmp_path / "out.tar.gz")["configuration.json"])["findings"] == [
        f"{tmp_path}/site.yaml: unknown key 'registri'; did you mean registries?"
    ]


def test_a_folder_that_cannot_be_written_says_what_to_type(box):
    result = bundle(box, "-o", "nowhere/out.tar.gz")
    result.check(exit_code=73, stdout="")
    assert result.stderr.endswith(" hint: kelvin-provision support-bundle -o FOLDER/FILE.tar.gz\n")


def test_a_full_disk_leaves_no_half_a_file(box, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fchmod", full)
    before = sorted(tmp_path.iterdir())
    assert bundle(box, "-o", "out.tar.gz").exit_code == 73
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to take its rights away, and setpriv")
def test_without_permission_it_takes_what_it_can_and_says_what_that_means(tmp_path):
    state, secrets = tmp_path / "state", tmp_path / "secrets"
    for folder in (state, secrets):
        folder.mkdir()
        (folder / ("ledger.db" if folder == state else "db")).write_text("of another user")
        os.chown(folder, 1, 1)
        folder.chmod(0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "KELVIN_PROVISION_SITE_CONFIG": str(tmp_path / "none.yaml"),
        "KELVIN_PROVISION_SECRETS_DIR": str(secrets),
        "KELVIN_PROVISION_CLUSTER__KUBECONFIG": str(tmp_path / "none.kubeconfig"),
    }
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "kelvin_provision", "support-bundle"]
    words = [*command, "-o", "out.tar.gz", "--state-dir", str(state)]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"warning: {secrets}: not read (permission denied); secrets from there are found by name and pattern only\n" in done.stderr
    assert "no permission to read it" in done.stderr
    assert {"versions.json", "configuration.json", "disk.json"} < set(opened(tmp_path / "out.tar.gz"))


def made(sections, **more):
    packed = Bundle("f", sections, Redactor(), {}, **more)
    return packed, opened(b"".join(packed.chunks()))


def test_a_section_that_hangs_breaks_or_never_ends_costs_only_itself():
    never = threading.Event()

    def hangs():
        yield "began\n"
        never.wait()

    def breaks():
        yield "password=x\n" * 8000
        raise ClusterUnreachable("token=abc is gone", evidence=["and more"])

    def endless():
        while True:
            yield "again\n" * 1000

    def bug():
        raise ZeroDivisionError("oh")

    packed, files = made(
        {"hangs": hangs, "breaks": breaks, "endless": endless, "bug": bug, "fine": lambda: "ok\n"}, seconds=3.0, most=200_000
    )
    never.set()
    assert packed.missing == {
        "hangs": "no answer within 3 s",
        "breaks": "token=*** is gone; and more",
        "endless": "truncated to 200000 bytes",
        "bug": "ZeroDivisionError: oh",
    }
    assert set(files["breaks"].splitlines()) == {"password=***"}
    assert (files["fine"], len(files["endless"]), files["endless"][-6:]) == ("ok\n", 199998, "again\n")


def test_a_signal_ends_it_within_a_section():
    began = threading.Event()

    def hangs():
        began.set()
        threading.Event().wait()

    with pytest.raises(TransferStopped):
        made({"hangs": hangs}, stop=began.is_set)


def test_trusted_keys_are_named_by_id_and_what_is_in_their_files_stays_there(box, tmp_path):
    anna = key_pair()
    (public,) = trusting(tmp_path, anna).keys
    (tmp_path / "private.pub").write_bytes(anna[0].pem)  # a mistake
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{public}, {tmp_path}/private.pub]}}\n")
    bundle(box, "-o", "out.tar.gz", "--config", str(tmp_path / "site.yaml"))
    files = opened(tmp_path / "out.tar.gz")
    assert json.loads(files["trust.json"]) == {
        "trusted": [
            {"file": str(public), "name": "anna", "type": "ed25519", "id": anna[1].key_id},
            {
                "file": f"{tmp_path}/private.pub",
                "error": f"trusted key {tmp_path}/private.pub: it is a private key; the public one is needed",
            },
        ],
        "must_be_signed": ["bundle"],
    }
    secret = anna[0].pem.decode().splitlines()[1]
    assert [name for name, text in files.items() if secret in text] == []
    (line,) = [line for line in json.loads(files["doctor.json"])["checks"] if line["id"] == "trust"]
    assert line["found"] == f"trusted key {tmp_path}/private.pub: it is a private key; the public one is needed"


def test_a_trust_document_is_there_beside_what_the_site_file_says(box, tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    anna = key_pair()
    (public,) = trusting(tmp_path, anna).keys
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{public}]}}\n")
    path = written(tmp_path / "trust-1.json", signed(trust_document(1, anna), anna))
    assert box.run("trust", "import", str(path), "--config", str(tmp_path / "site.yaml")).exit_code == 0
    bundle(box, "-o", "out.tar.gz", "--config", str(tmp_path / "site.yaml"))
    files = opened(tmp_path / "out.tar.gz")
    assert json.loads(files["trust.json"])["document"]["roles"]["root"]["trusted"] == [
        {"name": "anna", "type": "ed25519", "id": anna[1].key_id}
    ]
    (line,) = [line for line in json.loads(files["doctor.json"])["checks"] if line["id"] == "trust"]
    assert line["found"].startswith(f"trust document 1; root: anna ({anna[1].key_id[:12]}); bundles: anna")
