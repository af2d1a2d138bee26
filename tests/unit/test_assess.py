"""One assessment: what forbids an apply is the same for apply, dry run, diff, check and the agent."""

import json

import pytest

from kelvin_provision.applying.assess import (
    PRECONDITIONS,
    Facts,
    ImageFacts,
    MissingSecret,
    RevokedVersion,
    TakenName,
    UnsignedImage,
    advice,
    assess,
    assessed,
    refusal,
)
from kelvin_provision.cluster.plan import AdmittedImage, Finding, Plan
from kelvin_provision.cluster.survey import ResourceDemand, Survey
from kelvin_provision.errors import HookRefused, PlanRefused, RuntimeUnreachable, SecretMissing
from kelvin_provision.ledger import history
from kelvin_provision.refusals import PortTaken
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec, System, Variable
from kelvin_provision.usecases import deploy
from tests.kit.box import Box
from tests.kit.images import random_image
from tests.kit.locks import lock_of

LOCK = lock_of(random_image([10]), "r.io/a:1")
PORT = Finding("port-taken", "a", "port 80", "port 80/TCP is taken by nginx")
MISSING = Finding("image-missing", "a", "Pod/a", "no such image")
FIELD = Finding("immutable-field", "a", "Job/a", "spec.template cannot change")


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        (Facts(), []),
        (Facts(images=(ImageFacts("a", lost=(LOCK,)),)), ["image-missing"]),
        (Facts(images=(ImageFacts("a", error=RuntimeUnreachable("no answer")),)), ["runtime-unreachable"]),
        (Facts(secrets=(MissingSecret("a", "secrets.x", SecretMissing("no file")),)), ["secret-missing"]),
        (Facts(plan=Plan(findings=(FIELD,))), ["immutable-field"]),
        (Facts(plan=Plan(findings=(MISSING,))), ["image-missing"]),
        # What is put back first is missing only for now, and what is lost is reported once.
        (Facts(plan=Plan(findings=(MISSING,)), images=(ImageFacts("a", absent=(LOCK,)),)), []),
        (Facts(plan=Plan(findings=(MISSING,)), images=(ImageFacts("a", lost=(LOCK,)),)), ["image-missing"]),
        (Facts(taken_names=(TakenName("a", "r.io/b:1", "is another image"),)), ["image-name-taken"]),
        (Facts(unsigned=(UnsignedImage("a", "r.io/a:1", "not signed"),)), ["image-unsigned"]),
        (Facts(survey=Survey(port_conflicts=(PORT,))), ["port-taken"]),
        (Facts(plan=Plan(findings=(PORT,)), survey=Survey(port_conflicts=(PORT,))), ["port-taken"]),
        (Facts(refused_hooks=(HookRefused("not executable"),)), ["hook-refused"]),
    ],
)
def test_what_forbids_an_apply(facts, codes):
    assert [finding.code for finding in assess(facts)] == codes
    assert [finding.code for finding in assessed(facts).findings] == codes


def test_every_precondition_is_asked_and_their_findings_come_together():
    facts = Facts(
        plan=Plan(findings=(FIELD,)),
        images=(ImageFacts("b", lost=(LOCK,)),),
        secrets=(MissingSecret("a", "secrets.x", SecretMissing("no file")),),
        survey=Survey(port_conflicts=(PORT,)),
        refused_hooks=(HookRefused("not executable"),),
        taken_names=(TakenName("a", "r.io/b:1", "is another image"),),
        unsigned=(UnsignedImage("a", "r.io/a:1", "not signed"),),
        revoked=(RevokedVersion("a", "1.0.0", "image r.io/a:1 is revoked"),),
    )
    codes = [
        "version-revoked",
        "image-missing",
        "image-unsigned",
        "image-name-taken",
        "secret-missing",
        "immutable-field",
        "port-taken",
        "hook-refused",
    ]
    assert ([finding.code for finding in assess(facts)], len(PRECONDITIONS)) == (codes, 8)


def test_estimates_are_advice_and_forbid_nothing():
    facts = Facts(survey=Survey(denied=("create secrets",), resources=(ResourceDemand("memory", 64.0, 2.0), ResourceDemand("cpu", 1, 4))))
    assert (assess(facts), list(advice(facts))) == (
        (),
        ["not allowed on this cluster: create secrets", "the node may be short of memory for the new pods beside what runs"],
    )


def test_what_admission_changes_is_advice_of_every_dry_run():
    image = AdmittedImage("a", "Pod/a/proxy", "mesh/proxy:1", added=True)
    (line,) = advice(Facts(plan=Plan(admitted=(image,))))
    assert line.startswith("a: Pod/a/proxy: cluster admission adds mesh/proxy:1, which is not staged")


def test_a_refusal_is_of_the_kind_of_its_findings_and_of_the_general_one_where_they_differ():
    assert type(refusal([PORT])) is PortTaken
    assert type(refusal([PORT, FIELD])) is PlanRefused
    assert type(refusal([Finding("secret-missing", "a", "secrets.x", "no file", hint="write it")])) is SecretMissing
    assert refusal([Finding("secret-missing", "a", "secrets.x", "no file", hint="write it")]).hint.instruction == "write it"


@pytest.fixture
def box(tmp_path):
    """`pump` is staged and names a secret that was brought to the box and lost since."""
    found = Box(tmp_path / "state", secrets_dir=tmp_path / "secrets")
    spec = Spec(
        "pump", "Pump", "pump", "1.0.0", "c", Method.STAGED, "r.io/pump:1.0.0",
        system=System(environment=(Variable("TOKEN", "<% secrets.token %>"),)),
    )  # fmt: skip
    found.source.images["r.io/pump:1.0.0"] = random_image([3000])
    deploy.store(found.ctx, [spec])
    found.turn()
    yield found
    found.close()


def codes(result):
    document = json.loads(result.stdout)
    return document["error"]["code"], document["error"]["evidence"]


def test_a_missing_secret_is_seen_by_every_door_before_anything_is_touched(box, monkeypatch, tmp_path):
    monkeypatch.setenv("KELVIN_PROVISION_SECRETS_DIR", str(tmp_path / "secrets"))
    line = f"pump: secrets.token: secret token: no file {tmp_path}/secrets/token [secret-missing]"
    for words in (("diff",), ("apply", "--dry-run"), ("apply",)):
        assert codes(box.run("workloads", *words, "-n", "pump", "--json")) == ("secret-missing", [line]), words
    checks = json.loads(box.run("workloads", "check", "-n", "pump", "--json").stdout)["checks"]
    assert [check["found"] for check in checks if check["id"] == "secrets"] == [f"secret token: no file {tmp_path}/secrets/token"]
    assert not any(verb == "put" for verb, _ in box.cluster.calls)


def test_the_agent_keeps_the_findings_of_a_group_with_the_attempt(tmp_path):
    box = Box(tmp_path)
    box.cluster.findings = [Finding("immutable-field", "a", "Job/a", "spec.template cannot change")]
    box.deploy("a", method=Method.INSTANT)
    box.turn()
    failure = history.last_failure(box.ledger, "a")
    assert (failure.action, failure.who, failure.outcome, failure.evidence) == (
        "apply",
        "agent",
        "refused",
        ("a: Job/a: spec.template cannot change [immutable-field]",),
    )
    lines = len(history.history(box.ledger))
    box.turn()
    assert len(history.history(box.ledger)) == lines
    box.close()


def test_the_answer_of_a_server_that_quotes_a_secret_is_masked_before_it_is_kept(box, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("s3cr3t-t0ken")
    quoted = 'core.PodTemplateSpec{Env:[]core.EnvVar{Name:"TOKEN", Value:"s3cr3t-t0ken"}}'
    box.cluster.findings = [Finding("immutable-field", "pump", "Job/pump", f"Invalid value: {quoted}: field is immutable")]
    with pytest.raises(PlanRefused) as caught:
        box.command_apply("pump")
    kept = history.last_failure(box.ledger, "pump").evidence
    assert "s3cr3t" not in "".join((*caught.value.evidence, *kept))
    assert "field is immutable" in kept[0]
