"""What leads to each error, and what to do where the error's own hint does not say it: for `explain` and docs/exit-codes.md.

A test holds that every code stands here. What an error means is its docstring, what to type next its hint.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """`after` is what leads there; `then` what to do, empty where the error's own hint is enough."""

    after: str
    then: str = ""


REASONS: dict[str, Reason] = {
    "agent-silent": Reason("The process that was started ended at once: the state folder, the settings, or another agent that hangs."),
    "apply-failed": Reason(
        "A container ended again, did not become ready in time (apply.timeout), or its image could not be had.",
        "Read the evidence, then kelvin-provision workloads show -n NAME; deploy a corrected version and apply it.",
    ),
    "apply-left": Reason("The same as for apply-failed, with --no-rollback."),
    "budget-too-small": Reason("The registry does not answer ranges, so that a download cut at midnight starts over every day."),
    "cannot-write": Reason("A read-only or failing disk, a path that is no folder, a folder that is not there."),
    "check-failed": Reason("workloads check or doctor found an error, or with --strict a warning."),
    "clock-behind": Reason("The box came up without a clock battery and has not heard of the time yet."),
    "cluster-denied": Reason("A kubeconfig without permission for that verb, or a socket that belongs to another group."),
    "cluster-missing": Reason("No /etc/rancher/k3s/k3s.yaml, no KUBECONFIG, no /var/run/docker.sock, and no setting that names another."),
    "cluster-refused": Reason(
        "An object of the workload, or a quota or admission rule of the cluster, that does not fit.",
        "Read the cluster's own words in the message, correct the request, deploy again.",
    ),
    "cluster-unreachable": Reason(
        "k3s or Docker Engine is stopped, starting or stuck, or the kubeconfig is of another cluster.",
        "systemctl status k3s docker; then kelvin-provision workloads list --live",
    ),
    "confirmation-needed": Reason("A script runs undeploy, stop or another command that takes something away."),
    "cursor-invalid": Reason("A next_page that was cut, changed, or made by another version."),
    "denied": Reason("The plan asked the cluster whether it may, and the answer was no."),
    "digest-mismatch": Reason("A proxy or a broken registry alters what it serves, or a disk does."),
    "download-waits": Reason("It is outside of download.window, or download.budget is used up for today."),
    "field-conflict": Reason("kubectl, Helm or an operator has set the same fields of an object that is ours."),
    "file-unreadable": Reason("A path that is misspelt, a folder, or not readable for this user."),
    "held": Reason("The workload's own annotation or file says that now is a bad time, or somebody typed hold."),
    "history-broken": Reason("Somebody edited the ledger by hand, or put an older copy of it back."),
    "hook-failed": Reason("A script in the folder of hooks looked at the plan and said no."),
    "hook-refused": Reason("A file in the folder of hooks that is not executable, or that others than root may write."),
    "hook-timeout": Reason("A hook waits for something: a lock, a network, a question that nobody answers."),
    "image-missing": Reason("A collector took the image from the runtime and somebody the blobs from the store."),
    "image-not-found": Reason("A version that was never pushed, a misspelt app_name, or another registry than meant."),
    "image-unsupported": Reason(
        "zstd layers on an old Docker, or a media type that is no container image.",
        "Build the image with gzip layers, or use containerd as the runtime.",
    ),
    "immutable-field": Reason("A new version changes a selector, a volume's size or class, or another field that stays for ever."),
    "import-failed": Reason("The runtime has no room, was restarted meanwhile, or does not understand the image."),
    "interrupted": Reason("Ctrl-C, SIGTERM, or the end of a maintenance script.", "kelvin-provision workloads list, then the same again."),
    "invalid-object": Reason("A field that this version of the cluster does not know, or a value out of its range."),
    "locked": Reason("An apply, stop or undeploy of another person or of the agent is under way."),
    "log-missing": Reason("The workload is stopped, or its containers have not started yet."),
    "manifest-invalid": Reason("A registry, or a login page in its place, that answers with something else."),
    "namespace-terminating": Reason("Somebody has deleted the namespace, and the cluster is still at it."),
    "no-space": Reason("The images of the staged version and those kept for rollback do not fit beside what else is on the disk."),
    "not-ours": Reason("Somebody made an object of that name by hand, or with another tool."),
    "not-ready": Reason("apply was typed before the download was complete, or after it failed."),
    "nothing-applied": Reason("start or stop of a workload that is only staged."),
    "nothing-staged": Reason("It was applied already, or deployed without staging, or undeployed with --staged."),
    "nothing-to-roll-back": Reason("The first version still runs, or keep_revisions is 0."),
    "our-bug": Reason(
        "Something that we have not thought of.",
        "Run it again with -v, then kelvin-provision support-bundle, and report both.",
    ),
    "outside-window": Reason("apply was typed while apply.window is closed."),
    "permission-refused": Reason("Not root, or files that root has made in a state folder of this user."),
    "plan-refused": Reason("Findings of several kinds; each has its own code in the evidence."),
    "platform-missing": Reason("An image that was built for amd64 only and a box with arm64, or the other way round."),
    "port-taken": Reason("Another workload, another container or a program of the host listens there."),
    "reference-invalid": Reason("Capital letters in a repository, a scheme in front, a digest that is cut."),
    "registry-busy": Reason("Too many requests, or a registry that is starting or overloaded."),
    "registry-denied": Reason("No login on this box, an old one, or one without permission for this repository."),
    "registry-refused": Reason(
        "An answer that does not fit the protocol: a proxy in the way, a wrong path, an old registry.",
        "curl -v https://HOST/v2/ shows who answers there; then kelvin-provision config show",
    ),
    "registry-unreachable": Reason("No network, no name, a firewall, a certificate that is not trusted, or a registry that is down."),
    "request-refused": Reason("A field that is missing, misspelt, of another type, or that this cluster cannot do."),
    "revision-unknown": Reason("It was never up, or newer ones have taken its place (keep_revisions)."),
    "runtime-unreachable": Reason(
        "containerd or Docker Engine is stopped, or its socket is elsewhere.",
        "systemctl status k3s containerd docker; then kelvin-provision config set runtime.address SOCKET",
    ),
    "secret-missing": Reason("The request says <% secrets.NAME %> and nobody has brought the value to this box."),
    "settings-invalid": Reason("A key that is misspelt, a value of another type, or two settings that exclude each other."),
    "staging-failed": Reason("A registry that refuses for good, an image that cannot be loaded here, a wrong digest."),
    "start-failed": Reason("The container ends again, or does not become ready in time."),
    "state-damaged": Reason(
        "A failing disk or SD card, or a file that somebody wrote into.",
        "kelvin-provision support-bundle; keep a copy of the state folder, move ledger.db away and deploy again. What runs goes on.",
    ),
    "state-too-new": Reason("The program was downgraded, or the state folder comes from another box."),
    "time-refused": Reason("A date in another order, an hour that the change to summer time leaves out, a time that is over."),
    "transfer-stopped": Reason("The agent ends, or a newer deploy took the place of this one.", "Nothing: it goes on at its last byte."),
    "undo-failed": Reason("The cluster went away in the middle, or the earlier version does not come up either."),
    "unknown-kind": Reason("A manifest of a custom kind, and an operator that is not installed on this cluster."),
    "usage": Reason("An option or argument that is misspelt, missing, or excludes another."),
    "wait-failed": Reason("The version that was waited for failed, or was replaced or removed."),
    "wait-timeout": Reason("A slow link, a state that needs an apply first, or a --timeout that is too short."),
    "workload-unknown": Reason("A misspelt name, another --state-dir, or another user than the one that deployed."),
}
