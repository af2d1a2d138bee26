"""Secrets as others write them: an independent list of forms, to look for in whatever leaves a box."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

GO = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\", "\x7f": "\\x7f", "\x1b": "\\x1b"}


def go_quoted(text):
    """As %q of Go writes it, without the quotes."""
    return "".join(GO.get(character, character) for character in text)


def forms(secret):
    """What another program makes of a value, by the name of the form."""
    data = secret.encode()
    return {
        "plain": secret,
        "json": json.dumps(secret)[1:-1],
        "json in json": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "json of go": json.dumps(secret)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        "go": go_quoted(secret),
        "go in go": go_quoted(go_quoted(secret)),
        "python": repr(secret)[1:-1],
        "python beside a quote": repr(f'"{secret}')[2:-1],
        "url": quote(secret, safe=""),
        "path": quote(secret),
        "form": quote_plus(secret),
        "lower-case url": quote(secret, safe="").lower() if secret.islower() else quote(secret, safe=""),
        "html": html.escape(secret),
        "base64": base64.b64encode(data).decode(),
        "base64 of a url": base64.urlsafe_b64encode(data).decode(),
        "base64 behind one": base64.b64encode(b"x" + data + b"yz").decode(),
        "base64 behind two": base64.b64encode(b"xy" + data + b"z").decode(),
        "hex": data.hex(),
        "bytes of go": ", ".join(f"{byte:#x}" for byte in data),
        "bytes": " ".join(map(str, data)),
    }


def leaks(text, secrets):
    """`name of the secret: form` of all that stand in a text, lines of a value of several lines as well."""
    for name, secret in secrets.items():
        for form, written in forms(secret).items():
            if (written[4:-4] if " behind " in form else written) in text:
                yield f"{name}: {form}"
        lines = [line for line in secret.splitlines() if len(line) >= 8 and not line.startswith("-----")]
        yield from (f"{name}: its line {line}" for line in lines if line in text)
