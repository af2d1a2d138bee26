"""Every difference between the box and the answers. It changes nothing, and refuses what could not be carried out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kelvin_provision.access.passwords import refuse_weak
from kelvin_provision.access.users import Users
from kelvin_provision.agent.lifecycle.launcher import same_box
from kelvin_provision.agent.systemd import service as agent_service
from kelvin_provision.api_service import service as api_service
from kelvin_provision.api_service.libraries import refuse_missing
from kelvin_provision.errors import ClusterMissing, FileUnreadable, UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.leading.copy.contents import Contents
from kelvin_provision.leading.identity import host_of
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.masking.text import mask_logins
from kelvin_provision.settings import keys as setting_keys
from kelvin_provision.settings.edit import format_value
from kelvin_provision.settings.files import text_of
from kelvin_provision.settings.load import Loaded
from kelvin_provision.settings.model import Settings
from kelvin_provision.setup import site_file, trust_keys
from kelvin_provision.setup.answers import Answers
from kelvin_provision.setup.finding import KUBERNETES, Candidate, Choice, choose, find
from kelvin_provision.setup.present import NewBox, Present, look_at
from kelvin_provision.setup.trust_keys import KeyCopy
from kelvin_provision.systemd.installing import Service, preview, refuse_masked
from kelvin_provision.tls.listen import split

UNCHANGED = "unchanged"
_RUNTIME = ("runtime.type", "runtime.address")
_CLUSTER = ("cluster.type", "cluster.kubeconfig", *_RUNTIME)


@dataclass(frozen=True)
class Change:
    """`outcome` is a past participle, as it is reported afterwards."""

    kind: str
    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Plan:
    """`settings` are those after the change; `values` what is written into their file, by key."""

    present: Present
    answers: Answers
    candidates: tuple[Candidate, ...]
    choice: Choice
    values: Mapping[str, Any]
    settings: Settings
    keys: tuple[KeyCopy, ...]
    api: bool
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    copy: Contents | None = None

    @property
    def adds_user(self) -> bool:
        return self.answers.user is not None and self.answers.user.name not in self.present.users

    @property
    def needed(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.outcome != UNCHANGED)


def make(box: NewBox, answers: Answers, present: Present | None = None) -> Plan:
    """Raises ClusterMissing, ApiMissing, ServiceFailed for a masked unit, Locked, as `look_at`, and what a wrong answer raises.

    Those are UsageRefused, FileUnreadable, ListenRefused, KeyInvalid, NameTaken, PasswordRefused, SettingsInvalid and CopyInvalid.
    """
    present = present or look_at(box)
    api = answers.api if answers.api is not None else present.is_new or present.has_api
    if api:
        refuse_missing()
        if answers.start:
            api_service.refuse_another(box.systemd, present.settings.state_dir)
    _refuse_user(answers, present)
    candidates = find(box.look)
    choice = _chosen(candidates, answers, present)
    copies = trust_keys.copies(answers.trust_keys, folder_of_keys(box), present.settings.trust)
    values = dict(_values(answers, present, choice, copies))
    text = text_of(box.place.path.resolve())
    after = site_file.text_with(str(box.place.path), text, values)
    loaded = box.sources.load({box.place.path: after.encode()})
    copy = _copy(answers, loaded.settings)
    plan = Plan(present, answers, candidates, choice, values, loaded.settings, copies, api, (), copy=copy)
    warnings = (*_overridden(box, loaded, values), *_left_behind(plan), *_required(plan), *_of_copy(plan))
    return replace(plan, changes=tuple(_changes(box, plan, text)), warnings=warnings)


def _copy(answers: Answers, settings: Settings) -> Contents | None:
    """Every byte of it is read. Raises UsageRefused, FileUnreadable, CopyInvalid, StateTooNew."""
    if answers.copy is None:
        return None
    from kelvin_provision.leading.copy import reading, restoring

    if not answers.start:
        raise UsageRefused("a copy of a ledger belongs to one box: not for an image", hint="leave out --from")
    restoring.refuse_workloads(settings.state_dir)
    return reading.verified(answers.copy)


def _of_copy(plan: Plan) -> Iterator[str]:
    if plan.copy is None:
        return
    yield f"{host_of(plan.copy.holder)} does not lead any more once this is done, also if it comes back: it refuses every change"
    yield "settings, secrets and images are not in the copy: bring the first two from the other box"


def _refuse_user(answers: Answers, present: Present) -> None:
    user = answers.user
    if user is None:
        return
    if not answers.start:
        hint = command("api user add", "NAME", instruction="leave out --user; on the box")
        raise UsageRefused("a user belongs to one box: not for an image", hint=hint)
    if user.name not in present.users:
        Users(present.settings.state_dir, utc_now).refuse_name(user.name)
        if user.password:
            refuse_weak(user.password)


def _chosen(candidates: tuple[Candidate, ...], answers: Answers, present: Present) -> Choice:
    if not answers.asks_for_cluster:
        if present.is_set(*_CLUSTER):
            return Choice(None, "as the settings say")
        if not present.is_new:
            return Choice(None, "as before")
    if answers.kubeconfig and answers.start and not answers.kubeconfig.is_file():
        raise FileUnreadable(f"there is no file {answers.kubeconfig}")
    try:
        return choose(candidates, answers.cluster or "auto", answers.kubeconfig)
    except ClusterMissing:
        if answers.start:
            raise
        return Choice(None, "it is looked for on the box")


def _values(answers: Answers, present: Present, choice: Choice, copies: tuple[KeyCopy, ...]) -> Iterator[tuple[str, Any]]:
    """The settings that are written, as values of a file. Raises UsageRefused, ListenRefused."""
    for name, text in answers.settings():
        yield name, _typed(name, text)
    yield from _of_cluster(answers, choice)
    for address in answers.listen:
        split(address)
    listen = tuple(dict.fromkeys((*present.settings.api.listen, *answers.listen)))
    if answers.listen:
        yield "api.listen", _typed("api.listen", ",".join(listen))
    if copies:
        yield "trust.keys", [str(path) for path in trust_keys.paths_with(present.settings.trust, copies)]


def _of_cluster(answers: Answers, choice: Choice) -> Iterator[tuple[str, Any]]:
    """What was chosen stays chosen: another engine that is installed later changes nothing."""
    if choice.candidate:
        yield "cluster.type", choice.candidate.type
        yield from ((name, _typed(name, text)) for name, text in choice.candidate.settings.items())
    elif answers.cluster in {KUBERNETES, "docker"}:
        yield "cluster.type", answers.cluster


def _typed(name: str, text: str) -> Any:
    return setting_keys.value_from_text(name, setting_keys.find(name)[0], text)


def _changes(box: NewBox, plan: Plan, text: str) -> Iterator[Change]:
    for copy in plan.keys:
        if copy.is_trusted:
            yield Change("key", copy.key.name, UNCHANGED, f"{copy.path}, id {copy.key.key_id[:12]}")
        else:
            detail = f"to {copy.path}, id {copy.key.key_id[:12]}"
            yield Change("key", copy.key.name, "copied", f"{detail}, in place of {copy.before[:12]}" if copy.before else detail)
    yield from _settings(box, plan, text)
    state = plan.settings.state_dir
    yield Change("folder", str(state), UNCHANGED if state.is_dir() else "made")
    if brought := plan.copy:
        detail = f"of {brought.box}, made {brought.made}: {brought.workloads} workloads, {brought.nodes} other nodes"
        yield Change("ledger", str(state / "ledger.db"), "restored", detail)
    if user := plan.answers.user:
        outcome = "added" if plan.adds_user else UNCHANGED
        yield Change("user", user.name, outcome, user.level.value if plan.adds_user else "it is there already")
    for service in services(box, plan):
        refuse_masked(box.systemd, service)
        yield Change("unit", service.name, preview(box.systemd, service, now=plan.answers.start))


def _settings(box: NewBox, plan: Plan, text: str) -> Iterator[Change]:
    before = {origin.key: origin for origin in plan.present.loaded.origins}
    for key, value in plan.values.items():
        shown = mask_logins(format_value(value))
        if text and site_file.text_with(str(box.place.path), text, {key: value}) == text:
            yield Change("setting", key, UNCHANGED, shown)
            continue
        old = before.get(key)
        was = f", was {mask_logins(old.value)}" if old and old.origin == str(box.place.path) else ""
        yield Change("setting", key, "set", f"{shown}{was}")
    if not text and not plan.values:
        yield Change("file", str(box.place.path), "made")


def services(box: NewBox, plan: Plan) -> Iterator[Service]:
    """In the order of their installation: the agent is the last, so that its service says that all is there."""
    settings, environ = plan.settings, box.sources.environ
    if plan.api:
        yield api_service.described(settings, box.config, environ)
    yield agent_service.described(settings.state_dir, same_box(settings.state_dir, box.config), environ)


def _overridden(box: NewBox, loaded: Loaded, values: Mapping[str, Any]) -> Iterator[str]:
    for origin in loaded.origins:
        if origin.key in values and origin.origin != str(box.place.path):
            yield f"{origin.origin} overrides {box.place.path}: {origin.key} is {mask_logins(origin.value)}"


def _left_behind(plan: Plan) -> Iterator[str]:
    candidate, before = plan.choice.candidate, plan.present.cluster
    if candidate and before and candidate.type != before:
        yield f"this box has workloads on {before}, which would stay there without this program: undeploy them first"


def _required(plan: Plan) -> Iterator[str]:
    """What the first trusted key changes for bundles, and that a trust document counts more."""
    before, after = plan.present.settings.trust, plan.settings.trust
    if plan.present.trust:
        if after.keys != before.keys:
            number = plan.present.trust
            yield f"this box follows trust document {number}: trust.keys do not count beside it (trust show says whose signatures do)"
    elif after.keys and not before.keys and after.require_signature is None:
        yield "from now on, bundles are imported only if one of the trusted keys has signed them (trust.require_signature)"


def folder_of_keys(box: NewBox) -> Path:
    """Where trusted keys are copied to."""
    return box.place.path.absolute().parent / trust_keys.FOLDER
