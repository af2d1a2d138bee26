"""Leaves out objects that a message quotes: values as Go prints them, JSON, parts of a document that could not be parsed. Pure.

A server that rejects an object quotes it with all its values; the field and what is wrong with it are stated next to the quotation.
"""

from __future__ import annotations

import re

LEFT_OUT = "..."

_NAME = r"[A-Za-z_]\w*"
_TYPE = rf"(?:(?:{_NAME}\.)?{_NAME}|interface\ ?\{{\}})"
_BEGIN = re.compile(
    rf"""
      (?<![\w.\]*&]) [&*]* (?: (?:\[\d*\][&*]*)+ (?:map\[[^\[\]\n]{{1,80}}\][&*]*)? {_TYPE}  # []core.EnvVar{{ , []string{{
                             | map\[[^\[\]\n]{{1,80}}\][&*]*(?:\[\][&*]*)?{_TYPE}            # map[string]interface {{}}{{
                             | {_NAME}\.{_NAME} )                                            # core.PodTemplateSpec{{
      (?:\(nil\) | (?P<open>\{{))
    | &(?P<pointer>\{{)                                                                      # &{{...}}
    | (?<!\w)(?P<map>map\[)(?=[^\]\s:]{{1,200}}:)                                            # map[name:X value:Y]
    | (?:Invalid|Unsupported)\ value:\ (?P<json>\{{|\[(?![\]\d]))                             # Invalid value: {{"replicas":3
    """,
    re.VERBOSE,
)
_PIECES = re.compile(r"(?:, )?error found in #\d+ byte of \.\.\.\|.*?(?:bigger context \.\.\.\|.*?\|\.\.\.|$)", re.DOTALL)
"""What a decoder adds: the bytes around the place, cut anywhere."""
_SIGNIFICANT = re.compile(r"""["`{}\[\]()]""")
_QUOTED = {'"': re.compile(r'"(?:[^"\\\n]|\\.)*"'), "`": re.compile(r"`[^`]*`")}
_CLOSING = {"{": "}", "[": "]", "(": ")"}


def without_dumps(text: str) -> str:
    """The text with `...` in place of each quoted object. One that is cut off reaches to the end."""
    if "{" not in text and "[" not in text and "|" not in text:
        return text
    kept, position = [], 0
    while match := _BEGIN.search(text, position):
        kind = match.lastgroup
        begin = match.start(kind) if kind == "json" else match.start()
        kept += [text[position:begin], LEFT_OUT]
        position = match.end() if kind is None else _end(text, match.end() - 1)
    kept.append(text[position:])
    return _PIECES.sub("", "".join(kept))


def _end(text: str, opening: int) -> int:
    """The position behind the bracket that closes the one at `opening`, past quoted text; the end of the text where there is none."""
    expected = [_CLOSING[text[opening]]]
    position = opening + 1
    while match := _SIGNIFICANT.search(text, position):
        sign, position = match[0], match.end()
        if sign in _QUOTED:
            quoted = _QUOTED[sign].match(text, match.start())
            position = quoted.end() if quoted else position
        elif sign in _CLOSING:
            expected.append(_CLOSING[sign])
        elif sign == expected[-1]:
            expected.pop()
            if not expected:
                return position
    return len(text)
