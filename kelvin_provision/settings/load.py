"""All settings, from flags, environment, user file, site file and defaults, in this order; all findings at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelvin_provision.errors import SettingsInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import Hint, command, system
from kelvin_provision.settings.keys import HOST, KEYS, PREFIX
from kelvin_provision.settings.model import (
    ApiSettings,
    ApplySettings,
    ClusterSettings,
    DownloadSettings,
    FollowSettings,
    HistorySettings,
    MediaSettings,
    NodesSettings,
    Origin,
    RegistrySettings,
    RuntimeSettings,
    Settings,
    StagingSettings,
    TlsSettings,
    TrustSettings,
)
from kelvin_provision.settings.sources import NAME, Given, Problem, files, foreign, places, variables
from kelvin_provision.settings.types import expanded
from kelvin_provision.spec.enums import Method

ROOT_STATE = Path("/var/lib/kelvin-provision")


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key its value and where it came from."""

    settings: Settings
    origins: tuple[Origin, ...]


def load(
    *,
    config: Path | None = None,
    state_dir: Path | None = None,
    environ: Mapping[str, str],
    is_root: bool,
    contents: Mapping[Path, bytes] = MappingProxyType({}),
) -> Loaded:
    """Raises SettingsInvalid, PermissionRefused. `config` replaces both files; `state_dir` is the option.

    `contents` replace what these files hold: how a change is tried before it is written.
    """
    findings: list[Problem] = []
    given: dict[str, Given] = {}
    for source in (files(config, environ, findings, is_root=is_root, contents=contents), variables(environ, findings)):
        given.update({value.key: value for value in source})
    given.update({value.key: value for value in foreign(environ, given)})
    if state_dir is not None:
        path = expanded(str(state_dir))
        if str(path).startswith("~"):
            raise SettingsInvalid(f"--state-dir {state_dir}: there is no user of that name", hint="give an absolute path")
        path = path.absolute()
        given["state_dir"] = Given("state_dir", path, str(path), "--state-dir")
    elif "state_dir" not in given:
        path = state_default(is_root=is_root)
        given["state_dir"] = Given("state_dir", path, str(path), "default")
    values = {value.key: value.value for value in given.values()}
    method = _method(values, given, findings)
    if values.get("trust.require_signature") and not values.get("trust.keys"):
        text = "trust.require_signature: there are no trust.keys, so no signature could be accepted; set trust.keys first"
        findings.append(Problem(text, given["trust.require_signature"].origin, "trust.require_signature"))
    if values.get("media.auto") == "import" and not values.get("trust.keys"):
        text = "media.auto: only what is signed is imported without being asked for, and there are no trust.keys; set trust.keys first"
        findings.append(Problem(text, given["media.auto"].origin, "media.auto"))
    if values.get("follow.publications") and not values.get("trust.keys"):
        text = "follow.publications: only what is signed is followed, and there are no trust.keys; set trust.keys first"
        findings.append(Problem(text, given["follow.publications"].origin, "follow.publications"))
    if values.get("follow.apply") == "window" and not values.get("apply.window"):
        text = "follow.apply: there is no apply.window, so nothing would be applied; set apply.window first"
        findings.append(Problem(text, given["follow.apply"].origin, "follow.apply"))
    if findings:
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        hint = repair(findings[0], config, environ, is_root=is_root)
        raise SettingsInvalid(f"invalid settings: {count}", hint=hint, evidence=[problem.text for problem in findings])
    return Loaded(_settings(values, method), tuple(_origins(given)))


def state_default(*, is_root: bool) -> Path:
    """The default of `state_dir`."""
    if is_root:
        return ROOT_STATE
    import platformdirs

    return platformdirs.user_state_path(NAME, appauthor=False)


def _origins(given: Mapping[str, Given]) -> Iterator[Origin]:
    """Every key with its value, in the order of the table; of registries, those that are set."""
    for key in KEYS:
        prefix, _, leaf = key.name.partition(HOST)
        names = sorted(name for name in given if name.startswith(prefix) and name.endswith(leaf)) if leaf else [key.name]
        for name in names:
            value = given.get(name)
            yield Origin(name, value.text if value else key.default, value.origin if value else "default", key.doc)


def repair(problem: Problem, config: Path | None, environ: Mapping[str, str], *, is_root: bool) -> Hint:
    """What takes one problem away; of several, the others are named after it by the same command."""
    if problem.origin.startswith(PREFIX):
        return system("unset", problem.origin)
    if not problem.key:
        return Hint.of(f"correct {problem.origin}")
    if config is not None:
        return command("config unset", problem.key, "--config", str(config))
    roles = {str(place.path): place.role for place in places(None, environ, is_root=is_root)}
    return command("config unset", problem.key, sudo=not is_root and roles.get(problem.origin) == "site")


def _method(values: Mapping[str, Any], given: Mapping[str, Given], findings: list[Problem]) -> Method:
    staged = values.get("workload_deploy.staged", False)
    instant = values.get("workload_deploy.instantly_apply", True)
    if not staged and not instant:
        text = "workload_deploy: staged and instantly_apply are both false, so nothing would be done; set staged: true"
        findings.append(Problem(text, given["workload_deploy.instantly_apply"].origin, "workload_deploy.instantly_apply"))
    return Method.STANDARD if not staged else Method.INSTANT if instant else Method.STAGED


def _settings(values: Mapping[str, Any], method: Method) -> Settings:
    def section(name: str) -> dict[str, Any]:
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}

    def leaves(name: str) -> dict[str, Any]:
        return {key: value for key, value in section(name).items() if "." not in key}

    hosts: dict[str, dict[str, Any]] = {}
    for name, value in section("registries").items():
        host, _, leaf = name.rpartition(".")
        hosts.setdefault(host, {})[leaf] = value
    names = ("state_dir", "secrets_dir", "registry", "keep_revisions", "hooks", "hooks_timeout", "labels")
    top = {name: values[name] for name in names if name in values}
    return Settings(
        registries=MappingProxyType({host: RegistrySettings(**leaves) for host, leaves in hosts.items()}),
        cluster=ClusterSettings(**section("cluster")),
        runtime=RuntimeSettings(**section("runtime")),
        download=DownloadSettings(**section("download")),
        apply=ApplySettings(**section("apply")),
        staging=StagingSettings(**section("staging")),
        api=ApiSettings(tls=TlsSettings(**section("api.tls")), **leaves("api")),
        history=HistorySettings(**section("history")),
        trust=TrustSettings(**section("trust")),
        media=MediaSettings(**section("media")),
        follow=FollowSettings(**section("follow")),
        nodes=NodesSettings(**section("nodes")),
        default_method=method,
        **top,
    )
