"""The page of what a box does with app manifests, from the table that the reader uses, and with plain objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kelvin_provision.spec import manifest_keys
from kelvin_provision.spec.kinds.shapes import known_kinds
from kelvin_provision.spec.manifest_keys import Key

_ABOUT = """\
This box knows every type and every key of the platform's published manifest models.

* **used**: it has an effect on this box.
* **kept**: only the platform uses it. It stays in the payload, the app can read it in `/opt/kelvin/share/app.yaml`, `workloads show` lists
  it, and it has no effect on this box.
* **refused**: the request is refused, and the message says what to write instead. An unknown key is refused as well, and the message
  suggests the most similar known key.

"""
_TABLES: tuple[tuple[str, Mapping[str, Key]], ...] = (
    ("Types", manifest_keys.TYPES),
    ("Keys from spec_version 5 on", {**manifest_keys.MODERN, **manifest_keys.MODERN_REFUSED}),
    ("Keys of `defaults`", manifest_keys.DEFAULTS),
    ("Keys up to spec_version 4", manifest_keys.LEGACY),
    ("Keys of `defaults.system` and, up to spec_version 4, of `system`", manifest_keys.SYSTEM),
)

_IMAGE = """
## What an image declares

| in the image | on Docker | on Kubernetes |
|---|---|---|
| `HEALTHCHECK` | used as the readiness check if the manifest has no `readiness_probe` | not run; define a `readiness_probe` |
| `VOLUME` | a named volume of the workload for each path that the manifest does not mount; kept until undeploy | data is lost with the \
container, as the plan warns; define a volume of type `persistent` |
"""

_ADDITIONAL = """
## Images in texts

An argument, a variable, a file or a custom resource may name an image for a program that creates containers itself (an operator with
`--sidecar-image=REF`). Such images are listed in the request (`images: [REF, ...]`) or given with `--image REF`. They are resolved,
downloaded, verified, pinned, kept for a rollback and pruned like the images of containers. While the version is on the cluster, the
runtime also has each image under its reference as written, so that a container with `imagePullPolicy: IfNotPresent` starts offline.
The text itself is never changed.

| what | on this box | |
|---|---|---|
| `images: [reg.io/x:1]` | used | apply sets the name `reg.io/x:1` in the runtime, undo and rollback set it back, undeploy removes it; a \
short name is completed (`docker.io/library/...`) |
| `images: [reg.io/x@sha256:...]` | used | refused on Docker, which finds no imported image by its digest |
| `images` with `deployment_type: standard` | warning | nothing is downloaded before the cluster needs it |
| a tag that stands for another image, for another workload or for another client of the runtime | refused | by `diff`, `check` and \
`apply` (`image-name-taken`) |
| text that looks like an image and is in no list | warning | at deploy, with its place and what to type; Secrets are not read |
"""

_OBJECTS = """
## Plain Kubernetes objects

YAML is read as kubectl reads it (`0400` is octal, `yes` is true). In addition, without asking a cluster:

| what | on this box | |
|---|---|---|
| a key whose value is null | left out | at every depth, as for kubectl |
| `List` and each kind's own list | opened | items of `ConfigMapList` may leave out kind and version |
| `status`, `metadata.uid` and other fields of the API server | left out | with one warning |
| what a cluster has assigned in an exported object: addresses of Services, bindings of claims and volumes, token volumes, nodes of \
pods, generated selectors of Jobs | left out | with the same warning |
| objects that a controller among the others creates, as `kubectl get all` has them | left out | with one warning |
| a mapping, list or scalar where the kind has another type | refused | the message names object and path; for the kinds below |
| a key that the kind does not have | warning | a newer Kubernetes may have it |
| `<% secrets.NAME %>` | used | filled in when the object is sent; refused in a ConfigMap; other text between `<%` and `%>` stays |
| `metadata.generateName`, Compose files, kustomizations, Helm charts, values and templates | refused | the message says what to give |

Kinds whose structure is checked: """


def page(made: str) -> Iterator[str]:
    yield f"# Manifests\n\n{made}"
    yield _ABOUT
    for number, (title, keys) in enumerate(_TABLES):
        yield "\n" if number else ""
        yield f"## {title}\n\n| {'type' if keys is manifest_keys.TYPES else 'key'} | on this box | |\n|---|---|---|\n"
        yield from (f"| `{name}` | {key.effect} | {key.meaning} |\n" for name, key in keys.items())
    yield _IMAGE
    yield _ADDITIONAL
    yield f"{_OBJECTS}{', '.join(known_kinds())}.\n"
