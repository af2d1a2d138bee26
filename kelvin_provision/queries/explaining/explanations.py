"""The meanings of states and exit codes, for `explain` and for the generated pages. Errors explain themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kelvin_provision.errors import ProvisionError, leaves
from kelvin_provision.hints import Hint, command
from kelvin_provision.spec.enums import Download, State


@dataclass(frozen=True)
class Explanation:
    """`after` is the cause, `then` the next step: whole sentences, or a hint."""

    meaning: str
    after: str
    then: str | Hint


_WAIT = command("agent status", instruction="Wait. If it stays in this state")
STATES: dict[State | Download, Explanation] = {
    State.PENDING_DEPLOY: Explanation(
        "The agent was asked to deploy the workload and has not begun.",
        "`workloads deploy` without staging, or with instant apply once the images are there.",
        _WAIT,
    ),
    State.PENDING_APPLY: Explanation(
        "The agent was asked to apply the staged version and has not begun.",
        "An order to apply or roll back as soon as possible. A version with a time (`workloads apply --at`) changes the state only then.",
        command("workloads show", names=("NAME",), instruction="Wait. What it waits for"),
    ),
    State.PENDING_START: Explanation(
        "The agent was asked to start the workload and has not begun.",
        "A stopped workload is to be started.",
        _WAIT,
    ),
    State.PENDING_STOP: Explanation(
        "The agent was asked to stop the workload and has not begun.",
        "A running workload is to be stopped.",
        _WAIT,
    ),
    State.RECEIVED: Explanation(
        "The agent has received the request.",
        "`workloads deploy`.",
        _WAIT,
    ),
    Download.PROCESSING: Explanation(
        "The agent resolves the images at the registry. No content has been downloaded yet.",
        "A staged request was received.",
        command("workloads show", names=("NAME",), instruction="Wait; the agent needs the registry. If it stays in this state"),
    ),
    State.DOWNLOADING: Explanation(
        "The images of the staged version are being downloaded. The running version is not touched.",
        "The images were resolved at the registry.",
        "Wait. A broken connection loses nothing: the download continues at the byte where it stopped. If a warning says that it waits for"
        " the download window or for midnight, it continues then.",
    ),
    State.READY: Explanation(
        "Everything that the staged version needs is on this box and verified. No network is needed any more.",
        "All its images were downloaded, verified and imported into the runtime.",
        command("workloads apply", names=("NAME",)),
    ),
    State.STAGED: Explanation(
        "No version of the workload runs; there is only a staged one. Until that one is ready, `workloads list` shows `not running`.",
        "A new workload was deployed as staged, or its first version was rolled back together with others (`rolled back`).",
        command("workloads apply", names=("NAME",), instruction="When workloads list --staged says ready"),
    ),
    State.DEPLOYING: Explanation(
        "The objects of the workload are being changed on the cluster.",
        "`workloads apply`, `workloads rollback`, a deploy without staging, or instant apply.",
        "Wait. If the new version does not come up, it is rolled back to what ran before. If a warning names pods of the previous version "
        "(OnDelete, a partition), delete them or lower the partition.",
    ),
    State.STARTING: Explanation(
        "The containers of the workload are starting.",
        "It was applied or started, or the box was restarted.",
        "Wait.",
    ),
    State.RUNNING: Explanation(
        "The workload runs. A staged version that is being downloaded, is ready, or is to be applied at a time, is in the column STAGED.",
        "Its containers came up and stayed up.",
        "Nothing.",
    ),
    State.STOPPING: Explanation(
        "The containers of the workload are being stopped.",
        "`workloads stop` or `workloads undeploy`.",
        "Wait.",
    ),
    State.STOPPED: Explanation(
        "The workload is kept on this box with its data and does not run.",
        "`workloads stop`.",
        command("workloads start", names=("NAME",), note="applying a staged version starts it, too"),
    ),
    State.FAILED: Explanation(
        "The workload does not run; or its staged version could not be downloaded (`staging failed`), did not come up (`apply failed`),"
        " would be refused by the cluster (`refused`), or is revoked (`revoked`). A warning names the cause.",
        "A container exits again and again, an image cannot be pulled, or the cluster rejects an object.",
        command(
            "workloads show",
            names=("NAME",),
            note="apply --all leaves out such a staged version, apply -n NAME tries it, unless it is revoked",
        ),
    ),
    State.UNREACHABLE: Explanation(
        "The cluster or the runtime does not respond. The details shown are the last known ones.",
        "k3s or Docker Engine is stopped, starting or hanging.",
        "systemctl status k3s docker",
    ),
}

EXIT_CODES: dict[int, str] = {
    0: "Done, or nothing to do.",
    1: "Failed. A failed apply was rolled back to what ran before, or kept with --no-rollback.",
    2: "The command line is invalid.",
    3: "There are changes (only with --exit-code).",
    65: "The input is invalid: a request, a reference, an image.",
    66: "There is no such workload, image, or staged version.",
    69: "The cluster, the runtime, the registry or the agent does not respond.",
    70: "A bug of kelvin-provision.",
    71: "Failed, and the rollback failed too; the evidence says what is certain.",
    73: "No space left, or not writable.",
    75: "Locked or not ready: try again later.",
    77: "Permission denied.",
    78: "The configuration or the state is invalid.",
    130: "Interrupted, or a question was answered with no; then nothing was changed.",
}


def errors() -> tuple[type[ProvisionError], ...]:
    """Every error, by exit code and then by code."""
    from kelvin_provision import refusals  # noqa: F401  (defining its errors is what it is imported for)

    return tuple(sorted(leaves(), key=lambda error: (error.exit_code, error.code)))


def meaning(error: type[ProvisionError]) -> str:
    """Its docstring as one line."""
    return " ".join((error.__doc__ or "").split())


def explained(error: type[ProvisionError]) -> Explanation:
    """Its meaning, cause and next step. Raises KeyError for an error without a reason; a test prevents that."""
    from kelvin_provision.queries.explaining.reasons import REASONS

    reason = REASONS[error.code]
    return Explanation(meaning(error), reason.after, reason.then or error.hint_default)


def words() -> Iterator[str]:
    """Everything that can be explained, as it is typed."""
    yield from (state.value for state in STATES)
    yield from (error.code for error in errors())
    yield from (str(code) for code in EXIT_CODES)
