"""A change that needs pydantic or an SDK, in a process that ends with it: what it imports is not kept in memory.

`python -m kelvin_provision.api.work.child`: a line of JSON and the body of the request on standard input, one JSON document on standard
output. The actor comes on standard input too: an argument could be read by every user of the box.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from kelvin_provision.api.arguments import Arguments
from kelvin_provision.api.work import patience
from kelvin_provision.api.work.confined import wiring
from kelvin_provision.context import Context, opened
from kelvin_provision.errors import OurBug, ProvisionError
from kelvin_provision.errors.documents import to_document
from kelvin_provision.files.durable import trouble_of_box
from kelvin_provision.settings.load import load
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.read.documents import read
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.usecases.deploy import DeployRequest, considered, deploy, read_signed
from kelvin_provision.usecases.revising.configure import ConfigureRequest, configure
from kelvin_provision.usecases.revising.revise import ReviseRequest, revise_all

FILE = "body"
"""How findings name the body of the request."""


def main(words: list[str]) -> int:
    head, body = json.loads(sys.stdin.buffer.readline()), sys.stdin.buffer.read()
    try:
        arguments = Arguments.parse(words)
        settings = load(config=arguments.config, state_dir=arguments.state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings
        with opened(settings, patience.hurried(wiring(arguments, settings))) as ctx:
            document = {"result": done(replace(ctx, actor=head["actor"]), head, body)}
    except ProvisionError as error:
        document = {"error": to_document(error)}
    except OSError as error:
        document = {"error": to_document(trouble_of_box(error) or OurBug(f"{type(error).__name__}: {error}"))}
    sys.stdout.write(json.dumps(document))
    return 0


def done(ctx: Context, head: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """Accept the one request in the body, or the configuration or the fields in it for `names`. Raises what the use-cases raise."""
    if head["fields"]:
        fields = _object(body)
        result = revise_all(ctx, [ReviseRequest(name, fields) for name in head["names"]])
    elif head["names"]:
        result = configure(ctx, ConfigureRequest(head["names"][0], _object(body)))
    else:
        signatures = head["signatures"]
        file = RequestFile(f"{FILE}.{head['form']}", body, None if signatures is None else signatures.encode())
        documents, signed = read_signed(ctx.trust, [file])
        request = DeployRequest(documents, signed=signed)
        if head["only_check"]:
            return _considered(considered(ctx, request))
        result = deploy(ctx, request)
    names = [revision.workload for revision in result.revisions]
    return {"names": names, "batch": result.revisions[0].batch, "warnings": list(result.warnings)}


def _considered(checked: Accepted) -> dict[str, Any]:
    """What a page shows before anything is stored."""
    specs = [
        {
            "name": spec.name,
            "title": spec.title,
            "app_name": spec.app_name,
            "app_version": spec.app_version,
            "method": spec.method.value,
            "images": list(images_of(spec)),
            "objects": len(spec.manifests),
        }
        for spec in checked.specs
    ]
    return {"names": [spec.name for spec in checked.specs], "batch": "", "warnings": list(checked.warnings), "specs": specs}


def _object(body: bytes) -> Mapping[str, Any]:
    """Read as the body of a deploy is: what the ledger cannot store is refused here, too. Raises RequestRefused."""
    (document,) = read(f"{FILE}.json", body)
    return cast("Mapping[str, Any]", document.value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
