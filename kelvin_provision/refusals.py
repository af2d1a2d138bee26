"""What a plan can find, each with an error of its own: raised when all findings of a plan are of that one kind.

A script that applies in a maintenance window can tell a port that is taken (come back later) from a field that cannot be changed
(never), without reading sentences.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from kelvin_provision.errors import (
    HookRefused,
    ImageUnsigned,
    PermissionRefused,
    PlanRefused,
    ProvisionError,
    RuntimeFailed,
    RuntimeUnreachable,
    SecretMissing,
    VersionRevoked,
    leaves,
)
from kelvin_provision.hints import Hint


class FieldImmutable(PlanRefused):
    """The new version changes an immutable field."""

    code, exit_code = "immutable-field", os.EX_DATAERR
    hint_default = "undeploy the workload first (this deletes its data), or deploy the new version under another name"


class NotOurs(PlanRefused):
    """An object of that name exists and was not created by this program."""

    code, exit_code = "not-ours", os.EX_DATAERR
    hint_default = "choose another workload name, or remove the object by hand: kubectl describe KIND NAME, docker inspect NAME"


class FieldConflict(PlanRefused):
    """Another field manager owns fields that the workload sets; the evidence names both."""

    code, exit_code = "field-conflict", os.EX_DATAERR
    hint_default = "remove those fields from the other manager, or leave them out of the request"


class ObjectInvalid(PlanRefused):
    """The cluster rejects an object as invalid."""

    code, exit_code = "invalid-object", os.EX_DATAERR
    hint_default = "correct what the evidence names and deploy again"


class KindUnknown(PlanRefused):
    """The cluster does not know this kind of object: its CustomResourceDefinition is not installed."""

    code, exit_code = "unknown-kind", os.EX_DATAERR
    hint_default = "install the definition first, or deploy it in the same request"


class ChangeDenied(PlanRefused):
    """Admission denies the change: PodSecurity, a quota, a policy or a webhook of the cluster."""

    code, exit_code = "denied", os.EX_DATAERR
    hint_default = "correct what the evidence names and deploy again, or have the rule of the cluster changed"


class NamespaceTerminating(PlanRefused):
    """The namespace is being deleted."""

    code, exit_code = "namespace-terminating", os.EX_TEMPFAIL
    hint_default = "wait until the namespace is gone, then try again"


class PortTaken(PlanRefused):
    """A port of the host or node is already in use, or two of the workloads use it."""

    code, exit_code = "port-taken", os.EX_DATAERR
    hint_default = "stop the program or undeploy the workload that has the port (a stopped workload keeps its Services), or change the port"


class NeverUp(PlanRefused):
    """The new pods could never run beside the old ones, or beside each other, or the version is paused or suspended."""

    code, exit_code = "never-up", os.EX_DATAERR
    hint_default = "set `strategy: {type: Recreate}` in the Deployment that the evidence names, then deploy again"


class ImageMissing(PlanRefused):
    """An image is neither in the runtime nor in the store."""

    code, exit_code = "image-missing", os.EX_DATAERR
    hint_default = "deploy the workload again while there is a network"


class ImageNameTaken(PlanRefused):
    """The name of an image in the `images` of a request stands for another image on this box."""

    code, exit_code = "image-name-taken", os.EX_DATAERR
    hint_default = "apply versions together that need the same image, or remove the other image by hand: crictl rmi NAME, docker rmi NAME"


def kind_for(codes: Collection[str]) -> type[ProvisionError]:
    """The error for findings of these codes: the one whose code they share, or the general one where they are mixed or another error's."""
    classes: tuple[type[ProvisionError], ...] = (
        *leaves(PlanRefused),
        SecretMissing,
        ImageUnsigned,
        VersionRevoked,
        HookRefused,
        RuntimeUnreachable,
        RuntimeFailed,
        PermissionRefused,
    )
    kinds = {kind.code: kind for kind in classes}
    return kinds.get(next(iter(codes)), PlanRefused) if len(set(codes)) == 1 else PlanRefused


def hint_for(code: str) -> Hint | str:
    """What to do about one finding."""
    return next((kind.hint_default for kind in leaves() if kind.code == code), PlanRefused.hint_default)
