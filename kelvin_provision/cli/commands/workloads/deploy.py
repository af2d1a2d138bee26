"""Stage workloads in the background, or apply them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kelvin_provision.cli.frame.arguments import Files
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import duration
from kelvin_provision.cli.frame.values.files import content, signatures
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Revision
    from kelvin_provision.spec.read.findings import Document
    from kelvin_provision.trust.believed import Trust
    from kelvin_provision.trust.requests import RequestFile, SignedRequest


@dataclass(frozen=True)
class Options:
    """The command line as a value. `files` may hold `-` for standard input; what was not given is None or empty."""

    files: tuple[Path, ...] = ()
    app_name: str | None = None
    app_version: str | None = None
    name: str | None = None
    title: str | None = None
    payload: Path | None = None
    cluster_name: str | None = None
    manifests: tuple[Path, ...] = ()
    images: tuple[str, ...] = ()
    staged: bool | None = None
    instantly_apply: bool | None = None
    deployment_type: Method | None = None
    allow_latest: bool = False
    signature: Path | None = None
    wait: bool = False
    timeout: float | None = None

    def request(self) -> dict[str, Any]:
        """What the options say of a request; empty when none was given."""
        keys = ("app_name", "app_version", "name", "title", "cluster_name", "staged", "instantly_apply", "deployment_type")
        given = {key: getattr(self, key) for key in keys}
        if not (any(value is not None for value in given.values()) or self.payload or self.manifests):
            return {}
        return given | {"images": list(self.images) or None}


_NAME = Option("-n", "--name", metavar="NAME", help="The name of the workload.  [default: generated]")
_PAYLOAD = Option("--payload", metavar="FILE", help="The manifest of the app: its app.yaml.")
_MANIFEST = Option("--manifest", metavar="FILE", help="Kubernetes objects instead of an app; may be repeated.")
_IMAGE = Option(
    "--image", metavar="REF", help="An image that arguments, files or custom resources name; it is downloaded too. May be repeated."
)
_STAGED = Option("--staged/--no-staged", help="Download all images before the version is applied.")
_INSTANTLY = Option("--instantly-apply/--no-instantly-apply", help="Apply as soon as possible, or wait for `workloads apply`.")
_METHOD = Option("--deployment-type", metavar="METHOD", help="standard, staged+instant-apply or staged-only: the two above in one word.")
_LATEST = Option("--allow-latest", help="Accept an image whose tag can change: `latest`, or no tag.")
_SIGNATURE = Option("--signature", metavar="FILE", help="The signatures of the one file.  [default: FILE.sig beside each file]")
_WAIT = Option("--wait", help="Wait until the staged version is ready, or the workload runs.")
_TIMEOUT = duration("--timeout", "With --wait: give up after this time; the work itself continues.")


def command(
    session: Session,
    *,
    file: Files,
    app_name: Annotated[str | None, Option("--app-name", metavar="NAME", help="The name of the app in the registry.")] = None,
    app_version: Annotated[str | None, Option("--app-version", metavar="VERSION", help="The version of the app.")] = None,
    name: Annotated[str | None, Option("-n", "--name", metavar="NAME", help="The name of the workload.  [default: generated]")] = None,
    title: Annotated[str | None, Option("--title", metavar="TEXT", help="The title that people see.")] = None,
    payload: Annotated[Path | None, _PAYLOAD] = None,
    cluster_name: Annotated[str | None, Option("--cluster-name", metavar="NAME", help="The name of the target cluster.")] = None,
    manifest: Annotated[list[Path] | None, _MANIFEST] = None,
    image: Annotated[list[str] | None, _IMAGE] = None,
    staged: Annotated[bool | None, _STAGED] = None,
    instantly_apply: Annotated[bool | None, _INSTANTLY] = None,
    deployment_type: Annotated[Method | None, _METHOD] = None,
    allow_latest: Annotated[bool, _LATEST] = False,
    signature: Annotated[Path | None, _SIGNATURE] = None,
    wait: Annotated[bool, _WAIT] = False,
    timeout: Annotated[float | None, _TIMEOUT] = None,
) -> Report:
    """Stage workloads in the background, or apply them at once.

    Requests are read from files, or one is made from the options. All requests are accepted, or none. A staged request does not affect
    running workloads.
    """
    options = Options(
        files=tuple(file or ()),
        app_name=app_name,
        app_version=app_version,
        name=name,
        title=title,
        payload=payload,
        cluster_name=cluster_name,
        manifests=tuple(manifest or ()),
        images=tuple(image or ()),
        staged=staged,
        instantly_apply=instantly_apply,
        deployment_type=deployment_type,
        allow_latest=allow_latest,
        signature=signature,
        wait=wait,
        timeout=timeout,
    )
    return deploy(session, options)


def deploy(session: Session, options: Options) -> Report:
    """Read the requests and have them accepted; with --wait, follow them."""
    from kelvin_provision.cli.frame.box import context_of, settings_of
    from kelvin_provision.usecases import deploy as usecase

    settings = settings_of(session)
    with context_of(session, settings=settings) as ctx:
        documents, signed = _documents(ctx.trust, options)
        request = usecase.DeployRequest(documents, options.allow_latest, signed)
        result = usecase.deploy(ctx, request)
        ends = _followed(session, options, ctx, result.revisions) if options.wait else {}
    items = tuple(
        Item("workload", revision.workload, ends.get(revision.workload, "accepted"), _words(revision.spec)) for revision in result.revisions
    )
    return Report("workloads deploy", items, warnings=result.warnings)


def _documents(trust: Trust, options: Options) -> tuple[tuple[Document, ...], Mapping[str, SignedRequest]]:
    """The requests, and who signed each file. Where they must be signed, nothing of the command line can be part of them."""
    from kelvin_provision.spec.request.flags import from_flags, with_images
    from kelvin_provision.trust.requests import unsigned
    from kelvin_provision.usecases.deploy import read_signed

    flags = options.request()
    if bool(options.files) == bool(flags):
        raise UsageRefused("give either files or the options of one request", hint=to_type("workloads deploy", "--help"))
    if options.signature and len(options.files) != 1:
        raise UsageRefused("--signature is for one file", hint="put FILE.sig beside each file")
    if trust.required("request") and (flags or options.images):
        raise unsigned(["options of the command line"])
    if options.files:
        documents, signed = read_signed(trust, _files(trust, options))
        return with_images(documents, options.images), signed
    payload = content(options.payload) if options.payload else None
    return from_flags(flags, payload=payload, manifests=[content(path) for path in options.manifests]), {}


def _files(trust: Trust, options: Options) -> list[RequestFile]:
    """Without keys, a signature beside a file says nothing."""
    from kelvin_provision.trust.requests import RequestFile

    looks = bool(options.signature or trust.has_keys)
    return [RequestFile(*content(path), signatures(path, options.signature) if looks else None) for path in options.files]


def _words(spec: Spec) -> str:
    what = {
        Method.STANDARD: "the agent applies it now",
        Method.INSTANT: "will be applied when downloaded",
        Method.STAGED: "waits for `workloads apply`",
    }
    return f"{spec.app_name} {spec.app_version}, {spec.method.value}: {what[spec.method]}"


def _followed(session: Session, options: Options, ctx: Context, revisions: Sequence[Revision]) -> Mapping[str, str]:
    from kelvin_provision.cli.frame.box import interrupted_again, signals_noted
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.events import Note
    from kelvin_provision.queries.follow import CONTINUES, FollowRequest, follow
    from kelvin_provision.usecases.waking import wake

    with choose(session) as progress, signals_noted() as stop:
        following = replace(ctx, progress=progress, stop=stop)
        for revision in revisions:  # before it happens, and not when it has
            progress(Note(f"workload {revision.workload}: accepted, {_words(revision.spec)}"))
        try:
            return follow(following, FollowRequest(tuple(revisions), options.timeout), each_look=lambda: wake(ctx))
        except KeyboardInterrupt:
            raise interrupted_again(CONTINUES) from None
