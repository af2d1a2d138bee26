"""The changes, in an order in which each can be cut off: what is there is left, and the next run goes on. Then `doctor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kelvin_provision.agent.lifecycle import control
from kelvin_provision.agent.lifecycle.launcher import same_box
from kelvin_provision.agent.systemd import service as agent_service
from kelvin_provision.agent.systemd import unit as agent_unit
from kelvin_provision.api_service import service as api_service
from kelvin_provision.api_service.units import SERVICE as API
from kelvin_provision.check_result import CheckResult
from kelvin_provision.checks import doctor
from kelvin_provision.checks.configuration import tolerant
from kelvin_provision.files.durable import private_folder
from kelvin_provision.leading.copy import restoring
from kelvin_provision.settings.files import change_text
from kelvin_provision.setup import site_file, trust_keys
from kelvin_provision.setup.plan import Change, Plan
from kelvin_provision.setup.present import NewBox
from kelvin_provision.systemd.installing import Done
from kelvin_provision.usecases import api_users

NO_USER = "the API has no user yet, so that it lets none in (api user add)"


@dataclass(frozen=True)
class SetupResult:
    """`checks` are those of `doctor`; none where nothing was started."""

    plan: Plan
    changes: tuple[Change, ...]
    checks: tuple[CheckResult, ...] = ()
    warnings: tuple[str, ...] = ()


def carry_out(box: NewBox, plan: Plan, *, stop: Callable[[], bool] = lambda: False) -> SetupResult:
    """Raises PermissionRefused, CannotWrite, NoSpace, SettingsInvalid, ServiceFailed, Locked; what was done before stays done."""
    for _ in trust_keys.write(plan.keys):
        pass
    change_text(box.sources, box.place, lambda text: site_file.text_with(str(box.place.path), text, plan.values))
    private_folder(plan.settings.state_dir)
    trouble = _restored(box, plan)
    if plan.adds_user and (user := plan.answers.user):
        with box.opened(plan.settings) as ctx:
            api_users.add(ctx, user.name, user.password, user.level)
    done = _install(box, plan)
    outcomes = {name: done[name].outcome for name in done}
    changes = tuple(replace(change, outcome=outcomes[change.name]) if change.kind == "unit" else change for change in plan.changes)
    warnings = (*plan.warnings, *(f"{name}: {text}" for name in done for text in done[name].warnings if text != api_service.NO_AGENT))
    warnings = (*warnings, *trouble)
    has_user = plan.present.users or plan.adds_user or plan.copy
    return SetupResult(plan, changes, _checked(box, plan, stop), (*warnings, *(() if has_user or not plan.api else (NO_USER,))))


def _restored(box: NewBox, plan: Plan) -> tuple[str, ...]:
    """The ledger of the copy in place of an empty one, and the lease of the cluster for this box. An agent that runs is stopped first."""
    if plan.copy is None or plan.answers.copy is None:
        return ()
    state_dir = plan.settings.state_dir
    control.stop(box.systemd, state_dir)
    with box.opened(plan.settings) as ctx:
        store, actor = ctx.store, ctx.actor
        restoring.restore(plan.answers.copy, state_dir, store, actor=actor)
    with box.opened(plan.settings) as ctx:
        why = restoring.take_lead(state_dir, lambda: ctx.cluster)
    return () if not why else (f"the cluster does not know yet that this box leads; the first change tells it: {why}",)


def _install(box: NewBox, plan: Plan) -> dict[str, Done]:
    settings, environ, now = plan.settings, box.sources.environ, plan.answers.start
    done = {}
    if plan.api:
        done[API] = api_service.install(api_service.Box(box.systemd), settings, box.config, environ, now=now).done
    arguments = same_box(settings.state_dir, box.config)
    done[agent_unit.NAME] = agent_service.install(box.systemd, settings.state_dir, arguments, environ, now=now)
    return done


def _checked(box: NewBox, plan: Plan, stop: Callable[[], bool]) -> tuple[CheckResult, ...]:
    if not plan.answers.start:
        return ()
    sources = box.sources
    configuration = tolerant(config=sources.config, state_dir=sources.state_dir, environ=sources.environ, is_root=sources.is_root)
    with box.opened(configuration.settings) as ctx:
        return doctor.run(ctx, configuration, stop=stop)
