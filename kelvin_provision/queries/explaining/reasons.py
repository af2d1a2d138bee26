"""The cause of each error, and the next step if the error's own hint is not enough: for `explain` and docs/exit-codes.md.

A test verifies that every code has a reason. The meaning of an error is its docstring.
"""

from __future__ import annotations

from typing import NamedTuple

from kelvin_provision.hints import Hint, command


class Reason(NamedTuple):
    """`after` is the cause; `then` the next step, None if the error's own hint is enough."""

    after: str
    then: str | Hint | None = None


REASONS: dict[str, Reason] = {
    "agent-silent": Reason("The process exited at once: the state directory, the settings, or another agent that hangs."),
    "answers-missing": Reason("A script runs `setup` without all of its options, or pipes something into it."),
    "api-missing": Reason("The program was installed without the extra `api`."),
    "apply-failed": Reason(
        "A container exited, did not become ready in time (apply.timeout), or its image could not be pulled.",
        command("workloads show", names=("NAME",), instruction="Read the evidence", note="deploy a corrected version and apply it"),
    ),
    "apply-left": Reason("The same as for apply-failed, with --no-rollback."),
    "budget-too-small": Reason(
        "The registry does not support range requests, so a download that is cut off at midnight starts over every day."
    ),
    "bundle-damaged": Reason("A bad stick or a copy that was not finished: the bytes differ from what the bundle says of itself."),
    "bundle-differs": Reason("The requests, the images or an option are other ones than when it was made, or its first part is damaged."),
    "bundle-invalid": Reason("The file is another one, was cut off in its first part, or was changed by another program."),
    "bundle-missing": Reason("The stick is not mounted, the bundle has another name, or its first part is on another stick."),
    "bundle-older": Reason("An old stick was inserted, or the bundle was made with another serial than the one after the last."),
    "bundle-revoked": Reason("The newest trust document of this box revokes it by its digest: a fault was found in what it brings."),
    "bundle-unsuitable": Reason("The bundle was made for other boxes or another platform, or without images that this box lacks."),
    "cannot-write": Reason("A read-only or failing disk, a path that is not a directory, or a directory that does not exist."),
    "certificate-missing": Reason("The API has listened on this box only, so that it needed none; or api.tls.cert is set."),
    "certificate-unusable": Reason("A file of api.tls.* is missing, damaged or of another key, or the authority of this box has ended."),
    "check-failed": Reason("`workloads check` or `doctor` found an error, or with --strict a warning."),
    "clock-behind": Reason("The box started without a clock battery and is not synchronised yet."),
    "cluster-denied": Reason("A kubeconfig without that permission, or a socket that belongs to another group."),
    "cluster-missing": Reason(
        "There is no /etc/rancher/k3s/k3s.yaml, no KUBECONFIG, no /var/run/docker.sock, and no setting that names another one."
    ),
    "cluster-refused": Reason(
        "An object of the workload violates a schema, a quota or an admission rule of the cluster.",
        "Read the cluster's message, correct the request, deploy again.",
    ),
    "cluster-unreachable": Reason(
        "k3s or Docker Engine is stopped, starting or hanging, or the kubeconfig belongs to another cluster.",
        command("workloads list", "--live", instruction="systemctl status k3s docker; then"),
    ),
    "confirmation-needed": Reason("A script runs undeploy, stop or another command that removes or interrupts something."),
    "copy-invalid": Reason("The file was not copied to its end, was changed on the way, or is another one, such as a support bundle."),
    "cursor-invalid": Reason("The next_page value was truncated, changed, or made by another version."),
    "delta-base-damaged": Reason("A failing disk, or another program that writes into the store or into the runtime's own files."),
    "delta-base-missing": Reason(
        "The version that the delta is made from was never on this box, or garbage collection has freed its layers."
    ),
    "delta-invalid": Reason("A delta that was made by another program, for another image, or changed on its way."),
    "delta-missing": Reason("download.deltas is `only`, and there is no delta from a version that this box has, or none that can be used."),
    "denied": Reason("The version violates a PodSecurity level, a quota, a policy or the rule of a webhook."),
    "digest-mismatch": Reason(
        "A proxy, a broken registry or a failing disk alters the content.",
        "Deploy again, or run the same command again; if it happens again, the registry or a proxy alters what it serves.",
    ),
    "download-waits": Reason("It is outside download.window, or today's download.budget is used up."),
    "expected-other": Reason("The digest of --expect is of another file, or the file was changed on its way."),
    "field-conflict": Reason("kubectl, Helm or an operator has set the same fields of one of our objects."),
    "file-unreadable": Reason("The path is misspelt, is a directory, or is not readable for this user."),
    "held": Reason("The workload's own annotation or file asks for it, or a person ran `workloads hold`."),
    "history-broken": Reason("The ledger was edited by hand, or replaced by an older copy."),
    "hook-failed": Reason("A script in the hooks directory exited with a code other than 0, for example because it rejects the plan."),
    "hook-refused": Reason("A file in the hooks directory is not executable, or users other than root can write it."),
    "hook-timeout": Reason("The hook waits for a lock, a network or an input."),
    "image-missing": Reason("The image was removed from the runtime, and its content from the store."),
    "image-name-taken": Reason(
        "Two requests list the same tag, which was moved in between, or another program imported an image of that name."
    ),
    "image-not-found": Reason("The version was never pushed, app_name is misspelt, or this is the wrong registry."),
    "image-unsigned": Reason("The image was pushed and not signed, or signed keyless or with another key, or another image was signed."),
    "image-unsupported": Reason(
        "zstd layers on an old Docker, or a media type that is not a container image.",
        "Build the image with gzip layers, or use containerd as the runtime.",
    ),
    "immutable-field": Reason("The new version changes a selector, the size or class of a volume, or another immutable field."),
    "import-failed": Reason("The runtime has no space, was restarted, or does not support the image."),
    "interrupted": Reason(
        "Ctrl-C, SIGTERM, or the end of a maintenance script.", command("workloads list", note="then the same command again")
    ),
    "inventory-invalid": Reason("The file is another one, was cut off or changed, or comes from a newer program."),
    "invalid-object": Reason("A field that this version of the cluster does not know, or a value out of range."),
    "key-invalid": Reason("An RSA key, a key on another curve, a wrong passphrase, a file that others can read, or no key at all."),
    "lead-elsewhere": Reason(
        "The lead was moved: another box was set up from a copy of the ledger (setup --from), or this state directory is a copy.",
        command("doctor", instruction="Make the change on the box that the message names; to see who leads"),
    ),
    "join-refused": Reason("A token serves one node for 15 minutes; a name belongs to one member until it is removed."),
    "leader-unreachable": Reason("The leader is off, its agent does not run, the cable is out, or nodes.listen was changed."),
    "listen-failed": Reason("Another program listens there, such as an API that runs already, or the port needs root."),
    "listen-refused": Reason("`api.listen` or --listen has a host name, or no port."),
    "locked": Reason("An apply, stop or undeploy by another person or by the agent is under way."),
    "log-missing": Reason("The workload is stopped, or its containers have not started yet."),
    "login-unreadable": Reason("The auth file is missing or damaged, the agent cannot read it, or its credential helper does not work."),
    "manifest-invalid": Reason("The registry, or a login page in front of it, returned something else."),
    "medium-gone": Reason("The stick was pulled, or the part that is needed now is on another one."),
    "namespace-terminating": Reason("The namespace was deleted, and the cluster has not finished removing it."),
    "never-up": Reason(
        "A rolling update with a host port, a ReadWriteOncePod claim or an anti-affinity on the only node, more pods than there are nodes"
        " for them, or `paused: true`."
    ),
    "no-space": Reason("The images of the staged version and those kept for a rollback do not fit beside what else is on the disk."),
    "node-foreign": Reason("The node was removed on the leader, or another leader has its address by now."),
    "node-protocol-invalid": Reason("Nodes have versions of this program that do not know each other, or another server has the address."),
    "node-role-wrong": Reason("A member keeps images only: workloads, tokens and members are matters of its leader."),
    "node-unknown": Reason("It was removed, never joined, or its name is misspelt."),
    "not-ours": Reason("An object of that name was created by hand or by another tool."),
    "not-ready": Reason("`workloads apply` was called before the download was complete."),
    "nothing-applied": Reason("`workloads start` or `workloads stop` of a workload that is only staged."),
    "nothing-staged": Reason("It was applied already, deployed without staging, or removed with `workloads undeploy --staged`."),
    "nothing-to-roll-back": Reason("The first version is still running, or keep_revisions is 0."),
    "our-bug": Reason(
        "A case that this program does not handle.",
        command("support-bundle", instruction="Run it again with -v, then", note="report both"),
    ),
    "outside-window": Reason("`workloads apply` was called while apply.window is closed."),
    "permission-refused": Reason("The command was not run as root, or root created files in this user's state directory."),
    "plan-refused": Reason("Findings of several kinds; each has its own code in the evidence."),
    "platform-missing": Reason("The image was built for amd64 only and the box is arm64, or the other way round."),
    "port-taken": Reason("Another workload, another container or another program on the host listens on the port."),
    "publication-differs": Reason("Two publishers were at work at the same moment, or someone plays one publication against the other."),
    "publication-invalid": Reason("The tag is that of an image or of something else, or the publisher's program is newer than this one."),
    "publication-older": Reason("The tag was set back at the registry, a mirror has an old copy, or someone replays an old publication."),
    "reference-invalid": Reason("Upper-case letters in the repository, a scheme in front, or a truncated digest."),
    "registry-busy": Reason(
        "Too many requests, or a registry that is starting or overloaded.",
        "Nothing, where the agent downloads or follows: it tries again. Run a command again in a few minutes.",
    ),
    "registry-denied": Reason("No login on this box, an expired one, or one without access to this repository."),
    "registry-refused": Reason(
        "A response that violates the protocol: a proxy in the way, a wrong path, or an old registry.",
        command("config show", instruction="curl -v https://HOST/v2/ shows who answers there; then"),
    ),
    "registry-unreachable": Reason(
        "No network, no DNS entry, a firewall, an untrusted certificate, or a registry that is down.",
        "Check the network. A download of the agent continues at the byte where it stopped; run a command again.",
    ),
    "rehearsal-ended": Reason("An apply, a rollback, a stop or another change began while the rehearsal ran; it has precedence."),
    "rehearsal-failed": Reason(
        "A container exited or did not become ready without network and data, or the version cannot be cut off from what is real.",
        command("workloads show", names=("NAME",), instruction="Read the reason and the evidence", note="deploy a corrected version"),
    ),
    "release-invalid": Reason("The file was cut or damaged while it was copied, is for another architecture, or is something else."),
    "release-missing": Reason("Only one version was ever installed, or the program was installed by pip or as a Debian package."),
    "removal-unfinished": Reason("A finalizer waits for a controller that is missing or broken, or a pod does not end."),
    "report-invalid": Reason("The box has another version of this program, or something else wrote to the repository of the reports."),
    "request-refused": Reason("A field is missing, misspelt, of the wrong type, or not supported on this cluster."),
    "revision-unknown": Reason("It never came up, or newer revisions have replaced it (keep_revisions)."),
    "runtime-failed": Reason(
        "The disk fails or is read-only, the runtime ran out of memory or open files, or it was restarted during an import."
    ),
    "runtime-unreachable": Reason(
        "containerd or Docker Engine is stopped, or its socket is elsewhere.",
        command("config set", "runtime.address", "SOCKET", instruction="systemctl status k3s containerd docker; then"),
    ),
    "secret-missing": Reason("The request contains <% secrets.NAME %>, and there is no file NAME in the secrets directory (secrets_dir)."),
    "setting-missing": Reason("A new box: the setting has no default that would fit every site."),
    "settings-invalid": Reason("A key is misspelt, a value has the wrong type, or two settings exclude each other."),
    "service-failed": Reason("A unit that is masked, a program that cannot start, or no permission to ask systemd."),
    "signature-invalid": Reason("A byte of the file was changed after it was signed, or the signature is of another file or type."),
    "signature-missing": Reason("trust.require_signature asks for a signature, and the file FILE.sig is not beside it, or it is empty."),
    "signer-unknown": Reason("It was signed with a key that is not in trust.keys of this box."),
    "signer-revoked": Reason("A trust document has ended the key: it was lost, or its holder has left."),
    "signers-too-few": Reason("The trust document asks for several people, and one of them has not signed yet."),
    "tag-moved": Reason("Two desks publish to the same tag at the same time."),
    "signing-failed": Reason("The command of --sign-with failed, signed a digest of what it got, or has another key than --key says."),
    "staging-failed": Reason("The registry refuses permanently, the image cannot be loaded here, or a digest does not match."),
    "start-failed": Reason("The container exits again, or does not become ready in time."),
    "state-damaged": Reason(
        "A failing disk or SD card, or another program that changed the file. If only rows are damaged, other workloads are not affected.",
        command("doctor", instruction="Keep a copy of the state directory, then", note="or move ledger.db away and deploy again"),
    ),
    "state-too-new": Reason("The program was downgraded, or the state directory comes from another box."),
    "time-refused": Reason("A date in another order, an hour that daylight saving time skips, or a time in the past."),
    "transfer-stopped": Reason("The agent ends, or a newer deploy replaced this one.", "Nothing: it continues where it stopped."),
    "trust-document-invalid": Reason("It was edited after it was signed, signed as something else, or copied in part."),
    "trust-document-refused": Reason("A number in between is missing, not enough root keys have signed, or it is an older one."),
    "trusted-key-invalid": Reason("A file of trust.keys is missing, no public key, a link, or one that other users can write to."),
    "undo-failed": Reason("The cluster became unreachable during the change, or the earlier version does not come up either."),
    "unknown-kind": Reason("A manifest of a custom kind whose operator is not installed on this cluster."),
    "order-unknown": Reason("The code was misread or is one of another box, or the order is older than the orders that are kept."),
    "usage": Reason("An option or argument is misspelt, missing, or excludes another one."),
    "name-taken": Reason("A user or token of that name was made before, perhaps by another administrator."),
    "package-impossible": Reason(
        "A package has whole images, and they are taken from the store. The version is still downloading, the cluster pulled its images,"
        " or a blob is not in the store."
    ),
    "password-refused": Reason("The platform's rules: 8 characters with an upper-case letter, a lower-case letter and a digit."),
    "token-unknown": Reason("A mistyped name, or a token that was revoked."),
    "too-many-uploads": Reason("Uploads that were not finished, imported or removed; idle ones are removed after a week."),
    "upload-unknown": Reason("It was removed, was idle for a week, or everything in it is staged already."),
    "user-unknown": Reason("A mistyped name, or a user of another box."),
    "version-refused": Reason(
        "Nothing else is staged than versions with an invalid field, an object of others, or a missing definition or permission."
    ),
    "version-revoked": Reason(
        "The newest trust document of this box revokes a key, a bundle or an image: a key was lost, or a fault was found.",
        command("trust show", instruction="See what is revoked"),
    ),
    "wait-failed": Reason("The version that was waited for failed, was replaced, or was removed."),
    "wait-timeout": Reason("A slow link, a state that needs an apply first, or too short a --timeout."),
    "workload-unknown": Reason("The name is misspelt, the state is in another --state-dir, or another user deployed it."),
}
