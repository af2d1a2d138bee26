"""The shapes of a request's body and of the app manifest, both generations.

Keys, types, patterns and ranges (KELVIN sections 3.1 and 6.1 to 6.3); what ties several values together is checked by the
modules that read them. What each key of a manifest does is in `spec.manifest_keys`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kelvin_provision.spec.request.validation import Shape

AppName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=64)]
Version = Annotated[str, Field(min_length=1, max_length=64)]
_SEMANTIC = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
DeploymentType = Literal["standard", "staged+instant-apply", "staged-only"]
SemanticVersion = Annotated[str, Field(pattern=_SEMANTIC, max_length=64)]


class Body(Shape):
    """`POST /workloads/deploy`, with the older and newer names of the same things, and our `manifests` and `images`."""

    app_name: AppName | None = None
    app_version: Version | None = None
    cluster_name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    acp_name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    node_name: str | None = None
    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=32)] | None = None
    title: str | None = None
    payload: dict[str, Any] | None = None
    manifests: list[Any] | None = None
    images: list[Any] | None = None
    staged: bool | None = None
    pre_download: bool | None = None
    instantly_apply: bool | None = None
    deployment_type: DeploymentType | None = None
    source: Annotated[str, Field(pattern=r"^krn:[a-z0-9-]+:\S+$")] | None = None


class Image(Shape):
    """Where the app's image is, when it is not `<registry>/<app_name>:<app_version>`."""

    mode: Literal["auto", "manual", "undefined"] = "undefined"
    uri: Annotated[str, Field(min_length=1)] | None = None


class Info(Shape):
    """Who a legacy app is."""

    name: AppName | None = None
    title: str | None = None
    description: str | None = None
    version: Version | None = None


class Legacy(Shape):
    """app.yaml up to spec_version 4: `app.type`, `info`, `system` on top."""

    spec_version: str | None = None
    info: dict[str, Any] | None = None
    app: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    system: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    inputs: list[Any] | None = None
    outputs: list[Any] | None = None


class Modern(Shape):
    """app.yaml from spec_version 5: `type` on top, `defaults.system`, `defaults.configuration`."""

    spec_version: str | None = None
    type: str | None = None
    name: AppName | None = None
    title: str | None = None
    description: str | None = None
    version: SemanticVersion | None = None
    category: str | None = None
    image: dict[str, Any] | None = None
    defaults: dict[str, Any] | None = None
    flags: dict[str, Any] | None = None
    ui_schemas: dict[str, Any] | None = None
    api_permissions: list[Any] | None = None
    environment: dict[str, Any] | None = None
    importer_io: Any = None
    exporter_io: Any = None
    io: Any = None
    dynamic_io: Any = None
    schemas: Any = None
    data_streams: Any = None
    control_changes: Any = None
    custom_actions: Any = None
    data_quality: Any = None
    data_tags: Any = None
    parameters: Any = None
    recommendations: Any = None
    created_at: Any = None
    created_by: Any = None
    updated_at: Any = None
    updated_by: Any = None


class Deployment(Shape):
    """How the platform deploys an app; of these, a box has the method."""

    deployment_type: DeploymentType | None = None
    max_resources: Any = None
    target: Any = None


class DefaultsBlock(Shape):
    """What a modern manifest sets for every workload of the app."""

    system: dict[str, Any] | None = None
    configuration: dict[str, Any] | None = None
    app: dict[str, Any] | None = None
    deployment: dict[str, Any] | None = None
    api_permissions: list[Any] | None = None
    parameters: Any = None
    datastream_mapping: Any = None
    custom_actions: Any = None
    resources: Any = None
