"""docs/json.md: what `--json` prints, by running the commands on a box whose outside world is in memory.

`python -m tests.json_page` writes it. A test compares it, and another pins the keys of every example.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.lifecycle.identity import identity
from kelvin_provision.agent.lifecycle.launcher import Launcher
from kelvin_provision.agent.lifecycle.process import lock_path, now_path
from kelvin_provision.cli.docs.pages import MADE
from kelvin_provision.cli.frame.command_table import commands
from kelvin_provision.events import Advanced, Started, Status
from kelvin_provision.files.lock import exclusive
from kelvin_provision.settings.load import load
from kelvin_provision.support import sections
from tests.kit import bundles
from tests.kit.box import Box
from tests.kit.images import make_image, tar_of

PAGE = Path(__file__).parents[1] / "docs" / "json.md"
REQUEST = {
    "name": "pump",
    "title": "Pump",
    "app_name": "pump",
    "app_version": "1.0.0",
    "cluster_name": "edge-1",
    "staged": True,
    "instantly_apply": False,
    "payload": {"spec_version": "5.0.0", "type": "docker", "name": "pump", "title": "Pump", "description": "Speed", "version": "1.0.0"},
}
HEAD = """\
With `--json` (or `-o json`) standard output holds exactly one document, for errors as well; what is said besides goes to standard error. `-o yaml` is the
same document in YAML. A command that runs until it is stopped prints one object per line.

There are two kinds of documents:

* **Ours** begin with `schema`, which is 1. A key may be added without another number; a key that is removed, or that means something else, raises it.
  Most commands print the envelope: `command`, `status`, `items` (each with `kind`, `name`, `outcome`, `detail`) and `warnings`. `outcome` is a word for
  programs, `detail` a sentence for people.
* **The platform's** have no `schema`: `workloads list`, `show` and `logs` are what its REST API answers. They change with the platform's API and not with us.

Errors and answers of no have the same shape everywhere. The exit code is that of the error's family ([exit codes](exit-codes.md)); `error.code` is stable,
`message`, `hint` and `evidence` are for people. Times are RFC 3339 in UTC, sizes are bytes. Where a list has more than three elements, `"..."` stands for the
others here, and only here.
"""


@dataclass(frozen=True)
class Example:
    """One run. `before` happens to the box ahead of it; `lines`: an object a line in place of one document."""

    name: str
    words: tuple[str, ...]
    before: Callable[[Box], None] = lambda box: None
    lines: bool = False
    about: str = ""

    @property
    def command(self) -> str:
        """The words that name the command."""
        known = {" ".join(words) for words, _ in commands()}
        return next(path for end in range(len(self.words), 0, -1) if (path := " ".join(self.words[:end])) in known)


def staged(version: str) -> Callable[[Box], None]:
    def before(box: Box) -> None:
        box.source.images[f"registry.example.com:5000/pump:{version}"] = make_image(
            [tar_of({"app": version.encode() * 500})], compress=False
        )
        if version != "1.0.0":
            box.deploy_file(version)
        box.turn()

    return before


def talking(box: Box) -> None:
    box.cluster.log_lines["pump"] = ["starting", "42 rpm"]


class Last(list):
    """Lines after which there is nothing left to follow."""

    def __init__(self, lines: list[str], live: dict) -> None:
        super().__init__(lines)
        self._live = live

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        self._live.clear()


def ending(box: Box) -> None:
    box.cluster.log_lines["pump"] = Last(["starting", "42 rpm"], box.cluster.live)


def working(box: Box) -> None:
    image = "registry.example.com:5000/pump:2.0.0"
    activity = Activity(now_path(box.settings.state_dir), lambda event: None, clock=map(float, count(0, 2)).__next__)
    for event in (Status("staging pump"), Started(image, "downloading", 36_000_000), Advanced(image, 9_000_000, 36_000_000)):
        activity(event)


def bundle(box: Box) -> None:
    image = make_image([tar_of({"app": b"1.0.0" * 500})], compress=False)
    bundles.write(Path(), {"registry.example.com:5000/pump:1.0.0": image}, [json.dumps(REQUEST).encode()], name="north", serial=3)


EXAMPLES = (
    Example("workloads deploy", ("workloads", "deploy", "-f", "REQUEST.json")),
    Example(
        "not ready", ("workloads", "apply", "-n", "pump"), about="An error, here of `workloads apply` before the download is complete:"
    ),
    Example("workloads list", ("workloads", "list"), staged("1.0.0"), about="The platform's list."),
    Example("workloads apply", ("workloads", "apply", "-n", "pump")),
    Example("nothing to do", ("workloads", "apply", "--all"), about="Nothing to do is success without items:"),
    Example("workloads show", ("workloads", "show", "-n", "pump"), staged("2.0.0"), about="The platform's object of one workload."),
    Example("workloads list, a page", ("workloads", "list", "--staged", "--page-size", "1"), about="Staged versions, a page of one:"),
    Example("workloads diff", ("workloads", "diff", "-n", "pump"), about="The envelope, with `changes` and `workloads`:"),
    Example(
        "workloads check",
        ("workloads", "check", "-n", "pump"),
        about="Where one failed, `status` is `error` and `error` stands beside `checks`:",
    ),
    Example("workloads hold", ("workloads", "hold", "-n", "pump", "--reason", "the pump drains")),
    Example("workloads release", ("workloads", "release", "-n", "pump")),
    Example("images list", ("images", "list")),
    Example("images verify", ("images", "verify")),
    Example("images prune", ("images", "prune", "--dry-run")),
    Example(
        "bundle inspect",
        ("bundle", "inspect", "north.kpb"),
        bundle,
        about="`path` is null for a part that is not here, `error` if a request was read:",
    ),
    Example(
        "bundle verify",
        ("bundle", "verify", "north.kpb"),
        about="Damage is an error beside these keys, and each of `bad` has `part`, `path`, `offset`, `size`, `reason` and `members`:",
    ),
    Example("workloads wait", ("workloads", "wait", "-n", "pump", "--for", "ready")),
    Example("workloads rollback", ("workloads", "rollback", "-n", "pump", "--to", "1"), lambda box: box.command_apply("pump")),
    Example("workloads history", ("workloads", "history", "-n", "pump", "--verify")),
    Example("workloads logs", ("workloads", "logs", "-n", "pump", "--tail", "2"), talking, about="The platform's document."),
    Example("workloads stop", ("workloads", "stop", "-n", "pump", "--yes")),
    Example("workloads start", ("workloads", "start", "-n", "pump")),
    Example(
        "refused",
        ("workloads", "undeploy", "-n", "pump"),
        about="Without a terminal, a confirmation cannot be asked for, so `--yes` is required:",
    ),
    Example("agent status", ("agent", "status"), working, about="`work` is null when no agent is alive, `total` when it is not known:"),
    Example("doctor", ("doctor", "--list"), about="The document is that of `workloads check`. With `--list`:"),
    Example("config show", ("config", "show")),
    Example("config set", ("config", "set", "keep_revisions", "3")),
    Example("config unset", ("config", "unset", "keep_revisions")),
    Example("config path", ("config", "path")),
    Example(
        "bundle import",
        ("bundle", "import", "north.kpb", "--yes"),
        about="Also the envelope. `running` and `staged` are versions that are on the box before, `elsewhere` images that the bundle does not have:",
    ),
    Example("support-bundle", ("support-bundle", "-o", "bundle.tar.gz")),
    Example("explain", ("explain",)),
    Example("explain, a state", ("explain", "ready")),
    Example("explain, an error", ("explain", "not-ready")),
    Example("explain, an exit code", ("explain", "75")),
    Example("workloads logs --follow", ("workloads", "logs", "-n", "pump", "--follow"), ending, lines=True, about="An object a line:"),
    Example("workloads undeploy", ("workloads", "undeploy", "-n", "pump", "--yes")),
)
ELSEWHERE = {
    "self list": "`{schema, versions}`; each of `versions` has `version`, `commit`, `architecture`, `path`, `current` and `previous` (whether `self rollback` leads to it).",
    "self verify": "The envelope, with an item of kind `program`, and `signers` as in `key verify`, `version`, `architecture` and `sha256`.",
    "self rollback": "The envelope, with an item of kind `program`.",
    "setup": "The envelope, with items of the kinds `key`, `setting`, `file`, `folder`, `user` and `unit`, and `changes` (whether there are any), `found` (each with `name`, `type`, `place`, "
    "`runtime` and `answers`) and `taken` (`name` and `reason`). Without `--dry-run` also `checks` and `counts`, as `doctor` has them.",
    "completion": "`{schema, shell, script}`.",
    "api serve": "It goes on until it is stopped, and then prints nothing.",
    "api cert show": "`{schema, certificate, authority, path, missing, urls}`; `certificate` and `authority` (null for the files of api.tls.cert) have `fingerprint`, "
    "`begins`, `ends`, `days_left` and `names`.",
    "api cert export-ca": "`{schema, pem}`.",
    "follow list": "`{schema, command, report, publications}`: of each publication `reference`, `serial`, `digest`, `signers`, `published`, `taken`, `looked`, `error` (`since`, `code`, `message`) and `workloads`, each with `name`, `state`, `request`, `serial`, `running`, `staged`, `withdrawn`; `report` is null where none is sent, else `repository`, `sent`, `error`.",
    "follow now": "The envelope, with items of the kinds `workload` and `publication`, and `publications`: of each `reference`, `serial`, `signers`, `staged`, `dropped`, `withdrawn`, `pruned`, `warnings`. It is complete also where one could not be taken in: then `status` is `error`, and `error` that of the first.",
    "follow send": "The envelope, with an item of kind `report`, and `repository`, `tag`, `digest`.",
    "follow key": "`{schema, command, box, key, type, pem}`: `key` is the id, `pem` the public key.",
    "key generate": "The envelope, with an item of kind `private key` and one of kind `public key`, and `key_id`.",
    "key show": "`{schema, name, type, key_id, private, protected, public}`: `type` is `ed25519` or `p256`, `protected` whether it has a passphrase, `public` a PEM.",
    "key sign": "The envelope, with an item of kind `request` or `program` for each file, and `key_id`.",
    "key verify": "The envelope, with an item of kind `request` or `program` for each file, and `signers`: `file`, `name`, `key_id`.",
    "api cert renew": "The envelope, with an item of kind `certificate`, and with --authority one of kind `authority`.",
    "api user list": "`{schema, users}`; each of `users` has `name`, `level`, `created` and `changed`.",
    "api token list": "`{schema, tokens}`; each of `tokens` has `name`, `level`, `created`, `created_by`, `expires`, `expired` and `last_used`.",
    "api token create": "`{schema, token, access_token}`: `token` as in the list, `access_token` the token itself.",
    "api status": "`{schema, api}`; `api` has `alive`, `pid`, `user`, `since`, `service`, `addresses`, `users` (how many), `certificate` (`fingerprint`, `ends`; null without TLS) and `log`.",
    "api install": "The envelope, with an item of kind `unit`, one of kind `address` for each address, one of kind `screen` where /etc/issue.d shows them, and one of kind `certificate`, named by its fingerprint, where there is one.",
    "api uninstall": "The envelope, with one item of kind `unit`.",
    "agent run": "It goes on until it is stopped; what it says is for its log.",
    "agent install": "The envelope, with one item of kind `unit`.",
    "agent uninstall": "The envelope, with one item of kind `unit`.",
}
WATCH = """\
With `--watch`, an object a line for each change: `{"time", "name", "before", "after", "item"}`, where `item` is that of the list. The first lines say what there
is; `before` is null for what comes, `after` and `item` for what goes.
"""


class Site(Box):
    """A box that deploys from a file."""

    def deploy_file(self, version: str) -> None:
        self.request.write_text(json.dumps(REQUEST | {"app_version": version, "payload": REQUEST["payload"] | {"version": version}}))
        assert self.run("workloads", "deploy", "-f", str(self.request), "--quiet").exit_code == 0


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A box with an agent that seems to be alive, and nothing of the person who runs this."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KUBECONFIG", "DOCKER_HOST", "DOCKER_CONFIG", "SUDO_USER", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "COLUMNS"):
            patch.delenv(name, raising=False)
        for name, value in {
            "HOME": str(folder / "home"),
            "LOGNAME": "anna",
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "config.yaml"),
            "KELVIN_PROVISION_REGISTRY": "registry.example.com:5000",
            "KELVIN_PROVISION_UNIT_DIR": str(folder / "units"),
        }.items():
            patch.setenv(name, value)
        patch.setattr("os.geteuid", lambda: 0)
        patch.chdir(folder)
        state = folder / "state"
        state.mkdir()
        box = Site(state)
        box.launcher, box.choice = Launcher([]), "as set"
        box.request = folder / "REQUEST.json"
        box.request.write_text(json.dumps(REQUEST))
        patch.setattr(sections.host, "journal", lambda unit: "-- No entries --\n")
        settings = load(state_dir=state, environ={"KELVIN_PROVISION_REGISTRY": "registry.example.com:5000"}, is_root=True).settings
        with exclusive(lock_path(state), command="agent run", more=identity(settings, detached=True)):
            yield box
        box.close()


def outputs() -> dict[str, list[dict]]:
    """Every example's documents, with what differs from run to run put out."""
    found = {}
    with TemporaryDirectory() as place, site(Path(place).resolve()) as box:
        for example in EXAMPLES:
            example.before(box)
            result = box.run(*example.words, "--json")
            assert result.stdout, (example.name, result.stderr)
            steady = _steady(result.stdout, str(Path(place).resolve()))
            found[example.name] = [json.loads(line) for line in (steady.splitlines() if example.lines else [steady])]
    return found


def _steady(text: str, folder: str) -> str:
    text = text.replace(f"{folder}/state", "/var/lib/kelvin-provision").replace(
        f"{folder}/config.yaml", "/etc/kelvin-provision/config.yaml"
    )
    text = text.replace(f"{folder}/", "")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "2026-11-23T02:00:00.000000Z", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-23T02:00:00Z", text)
    text = re.sub(r'"detail": "[0-9.]+ [KM]iB"', '"detail": "7.6 KiB"', text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
    text = re.sub(r'"pid": \d+', '"pid": 4711', text)
    text = re.sub(
        r'written", "detail": "[^"]*"', 'written", "detail": "11.8 KiB, 15 files"', re.sub(r'("outcome": "written"),\s*', r"\1, ", text)
    )
    return re.sub(r'"(next_page|previous_page)": "[^"]+"', r'"\1": "eyJ2IjoxfQ"', text)


def keys(document: object, above: str = "") -> set[str]:
    """Every key by its path, `[]` for the elements of a list; what is behind a payload is the request's own."""
    if isinstance(document, dict):
        found = {f"{above}{key}" for key in document}
        return found.union(*(keys(value, f"{above}{key}.") for key, value in document.items() if key not in {"payload", "logs"}))
    if isinstance(document, list):
        return set().union(*(keys(value, f"{above.removesuffix('.')}[].") for value in document))
    return set()


def _shortened(value: object) -> object:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [*map(_shortened, value[:3]), *(["..."] if len(value) > 3 else [])]
    return value


def page(found: dict[str, list[dict]]) -> str:
    """The page, every command in the order of the help."""
    parts = [f"# JSON\n\n{MADE.replace('kelvin_provision.cli.docs.pages', 'tests.json_page')}{HEAD}"]
    for path in (" ".join(words) for words, _ in commands()):
        examples = [example for example in EXAMPLES if example.command == path]
        parts.append(f"\n## `{path}`\n")
        if not examples:
            parts.append(f"\n{ELSEWHERE.get(path, 'The envelope.')}\n")
        for example in examples:
            parts.append(f"\n{example.about}\n" if example.about else "")
            text = "\n".join(json.dumps(_shortened(one), indent=None if example.lines else 2) for one in found[example.name])
            parts.append(f"\n`kelvin-provision {' '.join(example.words)} --json`\n\n```json\n{text}\n```\n")
        if path == "workloads list":
            parts.append(f"\n{WATCH}")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(outputs()), "utf-8")
    sys.stdout.write(f"written: docs/{PAGE.name}\n")
