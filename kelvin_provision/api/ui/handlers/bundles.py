"""Bundles that the script of the page sends in chunks, and those on a stick in the box: what is in them, before it is staged."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.routes import uploads
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.forms import form_of
from kelvin_provision.api.ui.rendering import page, see_other
from kelvin_provision.api.ui.words import METHODS, SEEN
from kelvin_provision.api.work import bundles
from kelvin_provision.usecases.bundles.uploaded import needed_uploads

PATIENCE = 20.0
"""Seconds for which a person waits for the end of an import; it goes on without the page."""


async def uploaded(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    uploading = call.services.uploading
    there = await uploading.do(uploading.uploads.all)
    needed = await call.box.ask(needed_uploads) if there else frozenset()
    return page(call, "uploads.html", uploads=there, needed=needed)


async def begin(call: Call) -> Response:
    return await uploads.begin(call)


async def append(call: Call) -> Response:
    return await uploads.append(call)


async def remove(call: Call) -> Response:
    await form_of(call, ())
    await uploads.remove(call)
    return see_other("/ui/uploads")


async def on_media(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return page(call, "media.html", media=await bundles.on_media(call.box), outcomes=SEEN)


async def shown(call: Call) -> Response:
    """Who signed it, what it brings, and what prevents that. Nothing is stored."""
    bundle = await _named(call)
    refuse_unknown(call.request.query_params.keys(), ())
    document = await bundles.inspected(call.box, bundle)
    plan, texts = document["import"], document["warnings"]
    digest = document["digest"].partition(":")[2]  # of that warning the page has a sentence of its own
    warnings = [text for text in dict.fromkeys([*texts, *(plan["warnings"] if plan else ())]) if digest not in text]
    values = {"plan": plan, "warnings": warnings, "methods": METHODS, "back": _back(call), "here": call.request.scope["path"]}
    return page(call, "bundle.html", bundle=document, **values)


async def stage(call: Call) -> Response:
    """A repetition is the same import."""
    bundle, form = bundles.named_in(call.request.path_params), await form_of(call, (), ("allow_older",))
    wish = bundles.Wish(form.digest, call.principal.actor, bundle, allow_older=form.fields.get("allow_older") == "yes")
    done = await bundles.import_once(call.box, call.services.imports, call.services.uploading, wish, PATIENCE)
    if done is None or not done.made.names:
        new = done.document["trust"]["new"] if done and not done.document["images"] else []
        return page(call, "imported.html", under_way=done is None, trust=new[-1]["number"] if new else 0, back=_back(call))
    return see_other("/ui/")


async def _named(call: Call) -> bundles.Named:
    return await bundles.in_path(call.services.uploading, call.request.path_params)


def _back(call: Call) -> str:
    return "/ui/uploads" if "upload" in call.request.path_params else "/ui/media"
