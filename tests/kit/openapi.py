"""What the program says of its API, and whether an answer is as it says."""

import json

import jsonschema_rs

from kelvin_provision.api.description import document

DOCUMENT = document.document()


def valid(answer, path, method="get"):
    """Refuses an answer that is not as the document says; the schema is compiled with the whole document around it."""
    response = DOCUMENT["paths"][path][method]["responses"][str(answer.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    (schema,) = {json.dumps(media["schema"]) for media in response["content"].values()}
    root = {"$schema": "https://json-schema.org/draft/2020-12/schema", **json.loads(schema), "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(root, validate_formats=True).validate(answer.json)
