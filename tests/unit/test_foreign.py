"""The gate: all foreign text is cleaned, and no code can bypass it."""

import ast
import dataclasses
import inspect
import traceback
import typing
from pathlib import Path

import pytest

import kelvin_provision
from kelvin_provision import connections, events, observation, refs, status
from kelvin_provision.cluster import health, lease, nodes, plan, rehearsal, survey
from kelvin_provision.cluster import protocol as cluster_protocol
from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.logs import lines as log_lines
from kelvin_provision.cluster.logs.lines import MAX_LINE, LogLine, parse
from kelvin_provision.cluster.plan import Change, Drift, Finding, Interruption, Op, Plan
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.deltas import artifact
from kelvin_provision.errors import ClusterRefused, RegistryUnreachable
from kelvin_provision.events import Finished, Note, Started
from kelvin_provision.foreign.cluster import SanitizedCluster
from kelvin_provision.foreign.destination import SanitizedDestination
from kelvin_provision.foreign.fields import FOREIGN
from kelvin_provision.foreign.hooks import SanitizedHooks
from kelvin_provision.foreign.log_lines import LogLines
from kelvin_provision.foreign.media import SanitizedMedia
from kelvin_provision.foreign.runtime import SanitizedRuntime
from kelvin_provision.foreign.sanitizer import LONGEST_LINE, LONGEST_MESSAGE, ForeignError, Sanitizer
from kelvin_provision.foreign.source import SanitizedSource
from kelvin_provision.hooks import protocol as hooks_protocol
from kelvin_provision.hooks.protocol import Hooks
from kelvin_provision.observation import Hold, Observation, Observed
from kelvin_provision.registry import protocol as source_protocol
from kelvin_provision.registry.protocol import Destination, Media, Source
from kelvin_provision.runtimes import protocol as runtime_protocol
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec import lock, workload
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec, System, Variable
from kelvin_provision.usecases import deploy
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import Box
from tests.kit.planted import forms, leaks

ROOT = Path(kelvin_provision.__file__).parent
SECRET = 'hunter2 "of" <7>/x'
DUMP = f'core.PodTemplateSpec{{Env:[]core.EnvVar{{core.EnvVar{{Name:"PIN", Value:"{SECRET}"}}}}}}'


@pytest.fixture
def sanitizer():
    return Sanitizer(lambda: frozenset({SECRET.encode()}))


# --- the parts ----------------------------------------------------------------------------------


def test_a_message_its_evidence_and_its_reason_to_wait_are_cleaned(sanitizer):
    error = RegistryUnreachable(f"401: {SECRET}", evidence=[f"sent {SECRET}", "fine"])
    error.wait_reason = WaitReason(WaitKind.ERROR, f"with {SECRET}")
    with pytest.raises(RegistryUnreachable) as caught, sanitizer.errors():
        raise error
    assert (str(caught.value), caught.value.evidence, caught.value.wait_reason.detail) == ("401: ***", ("sent ***", "fine"), "with ***")


def test_a_traceback_has_no_words_of_a_library(sanitizer):
    def answer():
        raise OSError(f"sent {SECRET}")

    def look_up():
        try:
            answer()
        except OSError as error:
            raise KeyError(SECRET) from error

    def fail():
        try:
            look_up()
        except KeyError as error:
            raise ClusterRefused(f"no: {DUMP}") from error

    with pytest.raises(ClusterRefused) as caught, sanitizer.errors():
        fail()
    text = "".join(traceback.format_exception(caught.value))
    assert list(leaks(text, {"secret": SECRET})) == []
    assert isinstance(caught.value.__cause__, ForeignError)
    assert "OSError: sent ***" in text
    assert "in fail" in text


def test_an_exception_that_is_no_error_of_ours_keeps_its_kind_unless_it_quotes_a_secret(sanitizer):
    with pytest.raises(OSError, match=r"^disk$"), sanitizer.errors():
        raise OSError("disk")
    with pytest.raises(ForeignError, match=r"^KeyError: \*\*\*$") as caught, sanitizer.errors():
        raise KeyError(SECRET)
    assert caught.value.__cause__ is None


def test_an_error_from_an_iterator_is_cleaned_as_well(sanitizer):
    def chunks():
        yield b"x"
        raise RegistryUnreachable(f"cut off at {SECRET}")

    chunks = sanitizer.iterator(chunks())
    assert next(chunks) == b"x"
    with pytest.raises(RegistryUnreachable, match=r"^cut off at \*\*\*$"):
        next(chunks)


def test_progress_is_cleaned(sanitizer):
    said = []
    report = sanitizer.progress(said.append)
    for event in (Started("pump", "starting"), Finished("pump", "failed", f"why {SECRET}"), Note(f"note {SECRET}")):
        report(event)
    assert said == [Started("pump", "starting"), Finished("pump", "failed", "why ***"), Note("note ***")]


def test_what_has_no_foreign_text_stays_the_same_object(sanitizer):
    result = Plan((Change(Op.CREATE, SECRET, SECRET, "not on the cluster"),), (), ("remark",), (Interruption("pump", "why"),))
    assert sanitizer.value(result) is result


def test_foreign_fields_are_cleaned_wherever_they_are(sanitizer):
    result = Plan(findings=(Finding("denied", "pump", "Pod/pump", f"no {SECRET}"),))
    assert sanitizer.value(result).findings[0].message == "no ***"
    observed = {"pump": Observation(Observed.FAILED, (f"a {SECRET}", "b"), hold=Hold(f"r {SECRET}", "file"))}
    assert sanitizer.value(observed)["pump"] == Observation(Observed.FAILED, ("a ***", "b"), hold=Hold("r ***", "file"))
    assert sanitizer.value({"pump": Health(Phase.FAILED, DUMP)})["pump"].why == "..."
    drift = sanitizer.value((Drift("pump", "Pod/pump", "spec.args", [f"x {SECRET}"], {"a": [SECRET]}),))[0]
    assert (drift.applied, drift.live) == (["x ***"], {"a": ["***"]})


def test_a_remark_of_a_plan_may_quote_the_server(sanitizer):
    assert sanitizer.value(Plan(remarks=(f"web: exceeded quota {SECRET}",))).remarks == ("web: exceeded quota ***",)


def test_what_the_box_knows_is_asked_for_once_a_result():
    asked = []
    sanitizer = Sanitizer(lambda: frozenset(asked.append(1) or {SECRET.encode()}))
    sanitizer.value({name: Health(Phase.FAILED, f"{name} {SECRET}") for name in "abc"})
    assert len(asked) == 1


def test_it_is_shortened_after_masking_and_never_before(sanitizer):
    for ahead in range(LONGEST_MESSAGE - len(SECRET) - 2, LONGEST_MESSAGE + 2):
        assert "hunt" not in sanitizer.text("x" * ahead + " " + SECRET)
    for ahead in range(LONGEST_LINE - len(SECRET) - 2, LONGEST_LINE + 2):
        assert "hunt" not in sanitizer.lines(["x" * ahead + " " + SECRET])[0]
    assert len(sanitizer.text("x" * 9000)) == LONGEST_MESSAGE


@pytest.mark.parametrize("form", forms(SECRET))
def test_every_form_of_a_known_secret_is_masked(sanitizer, form):
    shown = sanitizer.text(f"a {forms(SECRET)[form]} b")
    assert list(leaks(shown, {"secret": SECRET})) == []
    assert shown == "a *** b" or " behind " in form


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the value abcdefgh-0123...", "the value ***..."),
        ('quoted "abcdefgh-0123456789-abc', 'quoted "***'),
        ("...123456789-abcdefgh is what is left", "...*** is what is left"),
        ("abcdefgh-0123456789-abcdefgh", "***"),
        ("event of pod p: Failed: abcdefgh-0123... (2 times)", "event of pod p: Failed: ***... (2 times)"),
        ("a abcdefgh-01234 b 6789-abcdefgh c", "a *** b *** c"),
        ("it ends with abcdefg", "it ends with abcdefg"),
        ("the motor-speed", "the motor-speed"),
    ],
)
def test_what_the_sender_has_cut_is_masked_as_well(text, shown):
    known = frozenset({b"abcdefgh-0123456789-abcdefgh", b"motor-speed-password"})
    assert Sanitizer(lambda: known).text(text) == shown


def test_control_characters_are_visible(sanitizer):
    assert sanitizer.text("a\x1b]0;owned\x07\x1b[2Jb\rc\u202ed\x9bA") == "a\\x1b]0;owned\\x07\\x1b[2Jb\\x0dc\\u202ed\\x9bA"
    assert sanitizer.text("half a pair: \ud83d and \udcff") == "half a pair: \\ud83d and \\udcff"
    assert sanitizer.lines(["one\x1b[1A", "two\u2066"]) == ("one\\x1b[1A", "two\\u2066")


def test_a_secret_of_several_lines_is_found_over_lines_of_evidence():
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBd0bGVzcyBzZWNyZXQga2V5Cg==\n-----END EC PRIVATE KEY-----"
    assert Sanitizer(frozenset).lines(["log: it starts", *key.splitlines(), "and goes on"]) == ("log: it starts", "***", "and goes on")
    assert Sanitizer(lambda: frozenset({b"ab1\ncd2"})).lines(["x ab1", "cd2 y"]) == ("x *** y",)


# --- the secrets of the box -----------------------------------------------------------------------


@pytest.fixture
def box(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "db").write_text("first-value-of-it\n")
    made = Box(tmp_path / "state", secrets_dir=folder)
    yield made
    made.close()


def request(box, name, value):
    image = f"r.io/{name}:1"
    variable = Variable("PIN", value)
    spec = Spec(name, name, name, "1", "c", Method.STAGED, image, system=System(environment=(variable,)))
    deploy.store(box.ctx, [spec])


def test_what_changes_is_known_at_once(box):
    known = box.ctx.sanitizer
    assert known.text("first-value-of-it 84-7731-pin") == "*** 84-7731-pin"
    request(box, "pump", "84-7731-pin")
    (box.settings.secrets_dir / "db").write_text("second-value-of-it")
    (box.settings.secrets_dir / "other").write_text("0ther-value")
    assert known.text("first-value-of-it second-value-of-it 0ther-value 84-7731-pin") == "first-value-of-it *** *** ***"
    with box.ledger.writing() as db:
        db.execute("DELETE FROM workloads")
    assert known.text("84-7731-pin") == "84-7731-pin"


def test_what_is_damaged_hides_no_message(box):
    request(box, "pump", "84-7731-pin")
    request(box, "fan", "quite-another-0ne")
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = '{' || spec WHERE workload = 'fan'")
    assert box.ctx.sanitizer.text("first-value-of-it 84-7731-pin quite-another-0ne") == "*** *** quite-another-0ne"
    box.ledger.close()
    assert box.ctx.sanitizer.text("first-value-of-it") == "***"


# --- logs ---------------------------------------------------------------------------------------


def log(sanitizer, *texts, container="c"):
    lines = [LogLine("pod", container, "t", text) for text in texts]
    return [line.text for line in LogLines(sanitizer.redactor).masked(lines)]


def test_a_log_keeps_its_own_words_and_loses_known_secrets(sanitizer):
    assert log(sanitizer, f"login {SECRET}", "password=looks-like-one", "\x1b[31mred") == [
        "login ***",
        "password=looks-like-one",
        "\x1b[31mred",
    ]


@pytest.mark.parametrize("at", range(1, len("abcdefghij0123456789")))
def test_a_secret_over_two_lines_does_not_come_out_whole(at):
    secret = "abcdefghij0123456789"
    first, second = log(Sanitizer(lambda: frozenset({secret.encode()})), f"x {secret[:at]}", f"{secret[at:]} y")
    assert second == "*** y"
    assert first == ("x ***" if at >= 8 else f"x {secret[:at]}")


@pytest.mark.parametrize("ahead", [*range(MAX_LINE - 30, MAX_LINE + 3, 5), 2 * MAX_LINE - 4])
def test_a_secret_over_two_parts_of_a_long_line_is_masked(ahead):
    secret = b"abcdefgh-0123456789"
    chunks = [b"2026-01-02T03:04:05Z " + b"x" * ahead + secret, b"y" * MAX_LINE + b"\n2026-01-02T03:04:06Z next\n"]
    lines = parse("pod", "c", chunks)
    texts = [line.text for line in LogLines(Sanitizer(lambda: frozenset({secret})).redactor).masked(lines)]
    assert "".join(texts) == "x" * ahead + "***" + "y" * MAX_LINE + "next"


def test_containers_do_not_continue_each_other(sanitizer):
    first, second = LogLine("pod", "a", "t", "x hunter2"), LogLine("pod", "b", "t", ' "of" <7>')
    assert [line.text for line in LogLines(sanitizer.redactor).masked([first, second])] == ["x hunter2", ' "of" <7>']


# --- no code bypasses it ------------------------------------------------------------------------

GATES = {
    Cluster: SanitizedCluster,
    Runtime: SanitizedRuntime,
    Source: SanitizedSource,
    Destination: SanitizedDestination,
    Media: SanitizedMedia,
    Hooks: SanitizedHooks,
}
OURS = {
    "AdmittedImage": "workload container image",  # names, as a webhook wrote them
    "Change": "workload object why",  # names and paths of fields
    "ClusterInfo": "type version node node_label",
    "ClusterNode": "name host labels taints marks",  # names, labels
    "ClusterState": "identity namespace",
    "Condition": "name",
    "DeltaLayer": "diff_id needs replaces",  # digests
    "DeltaOffers": "remarks",  # our words
    "Descriptor": "media_type digest",
    "Drift": "workload object path by when",  # names and paths of fields, a field manager
    "Finding": "code workload object hint",
    "Hint": "action arguments names instruction note",
    "Hold": "by since",
    "ImageLock": "diff_ids",
    "ImageStatus": "state",  # one of our words
    "ImageUse": "workload container image pull_policy host",  # out of the request
    "Interruption": "workload why",  # our words
    "Lease": "holder renewed",  # printable: see cluster/kubernetes/lease.py
    "LogLine": "source container time text",  # the application's own words: see `LogLines`
    "Observation": "seen",
    "Place": "workload object images nodes mark",  # names, out of the request and of nodes
    "Platform": "os architecture variant",
    "Reference": "host repository tag digest",
    "Resolved": "documents",  # verified, and not shown
    "ResourceDemand": "resource",
    "RuntimeInfo": "name version unpacker",
    "SignatureDocuments": "documents remarks",  # verified, and not shown; our words
    "Survey": "always_verified room_of",  # names
    "Unplaceable": "workload object node taints",  # names and labels
}
"""Text in results that is shown as it is: names, versions, times, our own words."""


def results(protocol):
    """The classes of all values that the verbs of a protocol return."""
    for name, verb in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            yield from classes(typing.get_type_hints(verb, namespace())["return"], set())


def namespace():
    """What the modules of the protocols name, also what they import for type checkers only."""
    modules = (
        nodes,
        plan,
        cluster_protocol,
        health,
        survey,
        lease,
        rehearsal,
        log_lines,
        runtime_protocol,
        source_protocol,
        artifact,
        hooks_protocol,
        events,
        observation,
        refs,
        status,
        lock,
        workload,
    )
    return {name: value for module in modules for name, value in vars(module).items()}


def classes(kind, seen):
    for argument in typing.get_args(kind):
        yield from classes(argument, seen)
    if not isinstance(kind, type) or kind in seen or not kind.__module__.startswith("kelvin_provision"):
        return
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        seen.add(kind)
        yield kind
        for hint in typing.get_type_hints(kind, namespace()).values():
            yield from classes(hint, seen)


def test_every_text_that_comes_from_outside_is_judged():
    texts, ours = set(), {f"{kind}.{field}" for kind, fields in OURS.items() for field in fields.split()}
    for kind in {kind for protocol in GATES for kind in results(protocol)}:
        hints = typing.get_type_hints(kind, namespace())
        texts |= {f"{kind.__name__}.{name}" for name, hint in hints.items() if "str" in str(hint) and name not in FOREIGN.get(kind, ())}
    assert texts == ours, "foreign text belongs in foreign/fields.py; what is ours, in the table above"


@pytest.mark.parametrize("protocol", GATES, ids=lambda protocol: protocol.__name__)
def test_every_verb_passes_the_sanitizer(protocol):
    """Of each method of the wrapper, the call of the part stands in a block of `errors`, or is iterated or opened by one."""
    gate = GATES[protocol]
    verbs = {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}
    tree = ast.parse(inspect.getsource(inspect.getmodule(gate)))
    methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "__init__"]
    assert verbs <= {method.name for method in methods}
    part = f"self._{protocol.__name__.lower()}."
    guarded = set()
    for method in methods:
        blocks = [node for node in ast.walk(method) if isinstance(node, ast.With) and "sanitizer.errors" in ast.unparse(node.items[0])]
        inside = {id(node) for block in blocks for node in ast.walk(block)}
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(part):
                assert id(node) in inside, f"{gate.__name__}.{method.name}: {ast.unparse(node)}"
                guarded.add(node.func.attr)
    assert guarded == verbs


@pytest.mark.slow
def test_only_the_context_opens_parts_and_wraps_each():
    opened = {}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner.endswith("wiring") and node.func.attr in {"cluster", "runtime", "source", "media", "hooks"}:
                    opened.setdefault(str(path.relative_to(ROOT)), []).append(node.func.attr)
    assert {name: sorted(parts) for name, parts in opened.items()} == {"connections.py": ["cluster", "hooks", "media", "runtime", "source"]}
    text = inspect.getsource(connections.Connections)
    for gate in (
        "SanitizedSource(self.wiring",
        "SanitizedMedia(self.wiring",
        "SanitizedCluster(self.wiring",
        "SanitizedRuntime(self.wiring",
        "SanitizedHooks(self.wiring",
    ):
        assert text.count(gate) == 1


ENTRIES = {
    "cluster/docker/probes.py": "SanitizedCluster",
    "cluster/kubernetes/api/auth_provider.py": "SanitizedCluster",
    "cluster/kubernetes/api/client.py": "SanitizedCluster",
    "cluster/kubernetes/api/connections.py": "SanitizedCluster",
    "cluster/kubernetes/api/exec_plugin.py": "SanitizedCluster; one that may ask questions speaks to the user at the terminal itself",
    "cluster/kubernetes/identity.py": "SanitizedCluster",
    "docker_engine/connection.py": "SanitizedCluster and SanitizedRuntime",
    "docker_engine/containers.py": "SanitizedCluster",
    "docker_engine/images.py": "SanitizedCluster and SanitizedRuntime",
    "docker_engine/sdk.py": "imports only",
    "registry/auth.py": "its errors repeat nothing of a file or a credential helper",
    "registry/connections.py": "SanitizedSource",
    "registry/http_errors.py": "SanitizedSource",
    "registry/pools.py": "SanitizedSource",
    "registry/response.py": "SanitizedSource",
    "runtimes/containerd/ctr.py": "SanitizedRuntime",
    "hooks/guard.py": "a process of its own; what a hook prints goes to hooks/process.py",
    "hooks/process.py": "SanitizedHooks",
    "systemd/systemctl.py": "mask_text on what systemctl says",
    "media/devices.py": "counts only whether mounting worked",
    "media_service/service.py": "tells udev only",
    "systemd/notify.py": "sends only",
    "systemd/sockets.py": "takes over sockets that are open; api/messages checks what comes in",
    "api_service/firewall.py": "looks for known words in what a firewall says, and shows nothing of it but names of its chains",
    "agent/questions/asking.py": "the answers of the agent, which are made of parts that are wrapped",
    "agent/lifecycle/process.py": "mask_text on the end of agent.log",
    "checks/certificates.py": "reads certificates only: names and dates",
    "checks/api.py": "compares only: whether it is our answer",
    "files/sockets.py": "connects only",
    "cluster/kubernetes/rehearsal/network.py": "whether a connection is made; nothing is read from it",
    "agent/questions/answering.py": "questions of its owner; the answers are made of parts that are wrapped",
    "agent/questions/jobs.py": "processes of our own, whose answers are made of parts that are wrapped; the redactor of the bundle",
    "serving/addresses.py": "listens only",
    "nodes/managing.py": "whether a connection is made; nothing is read from it",
    "nodes/keys/making.py": "tells a process of our own the name of this machine",
    "nodes/client/link.py": "documents, which nodes/protocol checks; of an error, printable characters of bounded length; blobs are verified",
    "tls/names.py": "asks for names and addresses of this machine only",
    "files/one_shot.py": "processes of our own, which read no file; the end of their complaint becomes an error of ours",
    "tls/issuing.py": "tells a process of our own the name of this machine",
    "trust/signing.py": "bytes of a command of the user, which are nothing but a signature; it speaks to the terminal itself",
    "api/server.py": "serves sockets that are open; what a request says is checked by api/messages",
    "installation/placing.py": "says the last line of an interpreter of ours that did not start; it has read no file of the box",
    "installation/services.py": "compares only: exit codes, and whether the agent is alive",
    "installation/changing.py": "an error of another version of this program, which has passed its own gate",
    "support/host.py": "the redactor of the bundle, which every section passes",
}
"""Every module that starts a process, opens a connection or uses the library of one, and the way of what it hears."""


@pytest.mark.slow
def test_the_ways_in_are_all_known():
    foreign = {"subprocess", "socket", "urllib3", "docker", "requests", "kubernetes", "http"}
    entries = set()
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.partition(".")[0] in foreign or name == "kelvin_provision.docker_engine.sdk" for name in names):
                entries.add(str(path.relative_to(ROOT)))
    assert entries == set(ENTRIES), "say how the text that comes in there passes the gate"
    for name, way in ENTRIES.items():
        if way.startswith("mask_text"):
            assert "mask_text(" in (ROOT / name).read_text()


def test_the_names_of_the_wrappers_are_those_of_the_protocols():
    for protocol, gate in GATES.items():
        for name, verb in inspect.getmembers(protocol, inspect.isfunction):
            if not name.startswith("_"):
                assert list(inspect.signature(verb).parameters) == list(inspect.signature(getattr(gate, name)).parameters)
