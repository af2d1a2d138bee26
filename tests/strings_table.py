"""The texts of the pages, found in templates and code; as a command, it brings the tables of translations in line with them.

`make docs` runs it: what is missing is added with an empty text, for a person to fill in, and texts that are no longer used are removed.
"""

import ast
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment, nodes

from kelvin_provision.api.messages.refusals import KINDS
from kelvin_provision.api.ui import rendering
from kelvin_provision.api.ui.strings.languages import ENGLISH, LANGUAGES
from kelvin_provision.api.ui.strings.texts import FOLDER

UI = FOLDER.parent
TEMPLATES = sorted((UI / "templates").glob("*.html"))
MODULES = sorted(UI.rglob("*.py"))
VISIBLE = {"aria-label", "title", "alt", "placeholder", "label"}
"""Attributes whose values people see or hear."""
NAMES = re.compile(r"kelvin-provision|\bdata-[a-z]+")
"""What is the same in every language, and attributes that a template hands to another."""
_MARK = "\ue000"


@dataclass(frozen=True)
class Use:
    """A text where it is used, with the names of its values; None instead of them where it is only marked."""

    text: str
    names: frozenset[str] | None
    where: str


def uses() -> list[Use]:
    """Of templates, code, and the titles and next steps of what the API refuses."""
    found = [use for path in TEMPLATES for use in in_template(path.read_text("utf-8"), path.name)]
    found += [use for path in MODULES for use in in_module(path.read_text("utf-8"), path.name)]
    shown = [(KINDS[name].title, KINDS[name].solution if step else "") for name, step in rendering.REFUSED.items()]
    return found + [Use(text, None, "refusals.py") for texts in shown for text in texts if text]


def refused() -> set[str]:
    """The names of refusals that the pages' own modules raise."""
    return {name for path in MODULES for name in re.findall(r'\bRefusal\(\s*"([a-z-]+)"', path.read_text("utf-8"))}


def in_module(source: str, where: str) -> Iterator[Use]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "deferred"} and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = None if node.func.id == "deferred" else frozenset(keyword.arg or "" for keyword in node.keywords)
                yield Use(first.value, names, f"{where}:{node.lineno}")
            elif isinstance(first, (ast.JoinedStr, ast.BinOp)):
                yield Use("", frozenset({"a text that is put together"}), f"{where}:{node.lineno}")


def in_template(source: str, where: str) -> Iterator[Use]:
    for node in _environment().parse(source).find_all(nodes.Call):
        if isinstance(node.node, nodes.Name) and node.node.name == "_" and isinstance(node.args[0], nodes.Const):
            yield Use(node.args[0].value, frozenset(keyword.key for keyword in node.kwargs), f"{where}:{node.lineno}")


def placeholders(text: str) -> frozenset[str]:
    """Their names. Raises ValueError for one that is more than a name."""
    names = set()
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is not None:
            if form or conversion or not name.isidentifier():
                raise ValueError(f"{text!r}: a placeholder is a name in braces")
            names.add(name)
    return frozenset(names)


# --- what a template shows without `_` ------------------------------------------------------------


def unsaid(source: str) -> list[str]:
    """Words that people see, as text, in an attribute, or as a literal of an expression, outside `_()` and outside of code."""
    html, expressions = _with_marks(source)
    parser = _Shown()
    parser.feed(html)
    parser.close()
    found = []
    for shown in parser.texts:
        plain, *rest = shown.split(_MARK)
        found.append(plain)
        for position, part in enumerate(rest):
            if position % 2 == 0:
                found += _literals(expressions[int(part)])
            else:
                found.append(part)
    return [text.strip() for text in found if any(letter.isalpha() for letter in NAMES.sub("", text))]


def _with_marks(source: str) -> tuple[str, list[str]]:
    """Its HTML with a mark in place of each expression, and nothing in place of each statement."""
    html, expressions, inside = [], [], ""
    for _, kind, value in _environment().lex(source):
        if kind in {"variable_begin", "block_begin", "comment_begin"}:
            inside = kind
            expressions += [""] if kind == "variable_begin" else []
        elif kind in {"variable_end", "block_end", "comment_end"}:
            html += [f"{_MARK}{len(expressions) - 1}{_MARK}"] if kind == "variable_end" else []
            inside = ""
        elif inside == "variable_begin":
            expressions[-1] += value
        elif not inside:
            html.append(value)
    return "".join(html), expressions


def _literals(expression: str) -> Iterator[str]:
    """Those that it may show by itself; the arguments of a call are the matter of what is called."""
    pending: list[nodes.Node] = [*_environment().parse("{{" + expression + "}}").body]
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, nodes.CondExpr):
            pending += [part for part in (node.expr1, node.expr2) if part]
        elif isinstance(node, nodes.Call):
            pending += [] if isinstance(node.node, nodes.Name) and node.node.name in {"_", "icon", "code"} else node.args
        elif isinstance(node, nodes.Output | nodes.BinExpr | nodes.Concat):
            pending += node.iter_child_nodes()


class _Shown(HTMLParser):
    """The texts that people see."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in {"code", "svg"}
        self.texts += [value or "" for name, value in attrs if name in VISIBLE or name.startswith("data-")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"code", "svg"}

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.texts.append(data)


def _environment() -> Environment:
    return rendering.environment()


# --- the tables -----------------------------------------------------------------------------------


def path_of(language: str) -> Path:
    return FOLDER / f"{language}.json"


def written(table: dict[str, str]) -> str:
    return json.dumps(dict(sorted(table.items())), ensure_ascii=False, indent=0) + "\n"


def main() -> None:
    texts = {use.text for use in uses()}
    for language in LANGUAGES:
        if language != ENGLISH:
            path = path_of(language)
            known = json.loads(path.read_text("utf-8")) if path.exists() else {}
            path.write_text(written({text: known.get(text, "") for text in texts}), "utf-8")


if __name__ == "__main__":
    main()
