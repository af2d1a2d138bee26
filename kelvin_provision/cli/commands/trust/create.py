"""Make the next trust document, for its root keys to sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.trust.documents.making import RoleChange

_AFTER = Option(
    "--after", metavar="FILE", help="The document before, of which the rest stays; a box has it in trust/ of its state.  [default: none]"
)


def _keys(what: str) -> Option:
    return Option(
        f"--{what}-key", metavar="PUB", help=f"{'An' if what == 'image' else 'A'} {what} key, in place of those before; may be repeated."
    )


def _threshold(what: str) -> Option:
    return Option(f"--{what}-threshold", metavar="NUMBER", min=1, help=f"How many {what} keys must sign.")


_ROOT, _BUNDLE, _REQUEST, _IMAGE = map(_keys, ("root", "bundle", "request", "image"))
_ROOT_OF, _BUNDLE_OF, _REQUEST_OF, _IMAGE_OF = map(_threshold, ("root", "bundle", "request", "image"))
_REVOKE_KEY = Option("--revoke-key", metavar="KEY", help="A public key, or its id, that counts no more; may be repeated.")
_REVOKE_BUNDLE = Option("--revoke-bundle", metavar="DIGEST", help="A bundle that no box takes any more; may be repeated.")
_REVOKE_IMAGE = Option(
    "--revoke-image", metavar="DIGEST", help="An image that no box applies: its index and each manifest; may be repeated."
)
_BOTH = "a box that does not have a revoked index does not know its manifests: revoke the index and each of its manifests"


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    file: Annotated[Path, Argument(metavar="FILE", help="The new document, such as trust-2.json.")],
    *,
    after: Annotated[Path | None, _AFTER] = None,
    root_key: Annotated[list[Path] | None, _ROOT] = None,
    bundle_key: Annotated[list[Path] | None, _BUNDLE] = None,
    request_key: Annotated[list[Path] | None, _REQUEST] = None,
    image_key: Annotated[list[Path] | None, _IMAGE] = None,
    root_threshold: Annotated[int | None, _ROOT_OF] = None,
    bundle_threshold: Annotated[int | None, _BUNDLE_OF] = None,
    request_threshold: Annotated[int | None, _REQUEST_OF] = None,
    image_threshold: Annotated[int | None, _IMAGE_OF] = None,
    revoke_key: Annotated[list[str] | None, _REVOKE_KEY] = None,
    revoke_bundle: Annotated[list[str] | None, _REVOKE_BUNDLE] = None,
    revoke_image: Annotated[list[str] | None, _REVOKE_IMAGE] = None,
) -> Report:
    """Make the next trust document, for its root keys to sign.

    Done at a desk. It counts on a box once as many root keys of the document before, and as many of its own, have signed it. In the first
    one, root keys also sign bundles and requests unless others are given; any of a box's trust.keys signs it. A revoked key leaves every
    role, and stays revoked. Look at it before you sign: `trust show FILE`. Of an image, revoke the digest of its index and those of its
    manifests: a box that does not have the index cannot know them.
    """
    from kelvin_provision.trust.documents.making import Changes
    from kelvin_provision.trust.documents.model import Revoked
    from kelvin_provision.trust.documents.naming import digests, key_ids
    from kelvin_provision.usecases.bundles.trust.making import CreateTrustRequest, create

    changes = Changes(
        root=_role(root_key, root_threshold),
        bundles=_role(bundle_key, bundle_threshold),
        requests=_role(request_key, request_threshold),
        images=_role(image_key, image_threshold),
        revoked=Revoked(key_ids(revoke_key or ()), digests(revoke_bundle or ()), digests(revoke_image or ())),
    )
    made = create(CreateTrustRequest(file, changes, after))
    item = Item("trust document", str(made.path), "made", f"number {made.document.number}, {made.digest}; not signed yet")
    more = {"trust": {"number": made.document.number, "digest": made.digest, "path": str(made.path)}}
    warnings = (_BOTH,) if revoke_image else ()
    return Report("trust create", (item,), warnings=warnings, more=more, names=(made.digest,))


def _role(paths: list[Path] | None, threshold: int | None) -> RoleChange:
    from kelvin_provision.trust.documents.making import RoleChange
    from kelvin_provision.trust.key_files import public_key

    return RoleChange(tuple(public_key(path) for path in paths or ()), threshold)
