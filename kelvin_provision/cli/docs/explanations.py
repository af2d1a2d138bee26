"""What the states and exit codes mean, for `explain` and for the generated pages. The errors explain themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kelvin_provision.cli.frame import hints
from kelvin_provision.errors import ProvisionError, leaves
from kelvin_provision.spec.enums import Download, State


@dataclass(frozen=True)
class Explanation:
    """`after` is what leads there, `then` what to do, both whole sentences."""

    meaning: str
    after: str
    then: str


STATES: dict[State | Download, Explanation] = {
    State.PENDING_DEPLOY: Explanation(
        "The agent has been asked to deploy it and has not begun.",
        "`workloads deploy` without staging, or with instant apply once the images are there.",
        "Wait. If it stays: kelvin-provision agent status",
    ),
    State.PENDING_APPLY: Explanation(
        "The agent has been asked to apply the staged version and has not begun.",
        "`workloads apply --at`.",
        "Wait. When, and what it waits for: kelvin-provision workloads show -n NAME. To take it back: workloads apply -n NAME --cancel",
    ),
    State.PENDING_START: Explanation(
        "The agent has been asked to start it and has not begun.",
        "A stopped workload is started again.",
        "Wait. If it stays: kelvin-provision agent status",
    ),
    State.PENDING_STOP: Explanation(
        "The agent has been asked to stop it and has not begun.",
        "A running workload is to be stopped.",
        "Wait. If it stays: kelvin-provision agent status",
    ),
    State.RECEIVED: Explanation(
        "The agent has taken the request and will act soon.",
        "`workloads deploy`.",
        "Wait. If it stays: kelvin-provision agent status",
    ),
    Download.PROCESSING: Explanation(
        "The agent asks the registry what the images are made of. No bytes of them are on their way yet.",
        "A staged request was received.",
        "Wait. It needs the registry: if it stays, kelvin-provision workloads show -n NAME says why.",
    ),
    State.DOWNLOADING: Explanation(
        "The images of the staged version are on their way. What runs is not touched.",
        "The registry said what the images are made of.",
        "Wait. A broken link is no loss: the download goes on from the byte where it stopped. With a warning that it waits for the download"
        " window or for midnight, it goes on then.",
    ),
    State.READY: Explanation(
        "Everything that the staged version needs is on this box and was verified. No network is needed any more.",
        "All its images were downloaded, checked and given to the runtime.",
        "kelvin-provision workloads apply -n NAME",
    ),
    State.STAGED: Explanation(
        "No version of it runs; only a staged one exists.",
        "A new workload was deployed as staged.",
        "When kelvin-provision workloads list --staged says ready: kelvin-provision workloads apply -n NAME",
    ),
    State.DEPLOYING: Explanation(
        "Its objects are being changed on the cluster.",
        "`workloads apply`, `workloads rollback`, a deploy without staging, or instant apply.",
        "Wait. If it does not come up, what ran before comes back by itself.",
    ),
    State.STARTING: Explanation(
        "Its containers are on their way up.",
        "It was applied, or `workloads start`.",
        "Wait. What holds it up: kelvin-provision workloads show -n NAME",
    ),
    State.RUNNING: Explanation(
        "It runs, and its health checks say so.",
        "Its containers came up and stayed up.",
        "Nothing.",
    ),
    State.STOPPING: Explanation(
        "Its containers are being ended.",
        "`workloads stop` or `workloads undeploy`.",
        "Wait.",
    ),
    State.STOPPED: Explanation(
        "It is kept on this box with its data and does not run.",
        "`workloads stop`.",
        "kelvin-provision workloads start -n NAME. Applying a staged version starts it, too.",
    ),
    State.FAILED: Explanation(
        "It does not run, or its download can't go on. There is always a warning that names the cause.",
        "A container ends again and again, an image can't be had, or the cluster refuses an object.",
        "kelvin-provision workloads show -n NAME",
    ),
    State.UNREACHABLE: Explanation(
        "The cluster or the runtime does not answer. What is shown beside it is what was seen last.",
        "k3s or Docker Engine is stopped, starting or stuck.",
        "systemctl status k3s docker",
    ),
}

EXIT_CODES: dict[int, str] = {
    0: "Done, or nothing to do.",
    1: "Failed and undone: what ran before runs. Left as it is where that was asked for.",
    2: "The command line is not right.",
    3: "There are changes (only where asked for by --exit-code).",
    65: "What was given is not right: a request, a reference, an image.",
    66: "There is no such workload, image, or staged version.",
    69: "The cluster, the runtime, the registry or the agent does not answer.",
    70: "A bug of kelvin-provision.",
    71: "Failed, and the way back failed too; the evidence says what is certain.",
    73: "No space, or it can't be written.",
    75: "Locked or not ready: try again later.",
    77: "Permission is missing.",
    78: "The configuration or the state is not right.",
    130: "Interrupted.",
}


def errors() -> tuple[type[ProvisionError], ...]:
    """Every error, by exit code and then by code."""
    from kelvin_provision import refusals  # noqa: F401  (defining its errors is what it is imported for)

    return tuple(sorted(leaves(), key=lambda error: (error.exit_code, error.code)))


def meaning(error: type[ProvisionError]) -> str:
    """Its docstring as one line."""
    return " ".join((error.__doc__ or "").split())


def explained(error: type[ProvisionError]) -> Explanation:
    """Its meaning, what leads there and what to do; raises KeyError for one without words, which a test finds first."""
    from kelvin_provision.cli.docs.reasons import REASONS

    reason = REASONS[error.code]
    return Explanation(meaning(error), reason.after, reason.then or hints.line(error.hint_default))


def words() -> Iterator[str]:
    """Everything that can be explained, as it is typed."""
    yield from (state.value for state in STATES)
    yield from (error.code for error in errors())
    yield from (str(code) for code in EXIT_CODES)
