"""Text into documents: what is read, what is refused, and that nothing can blow up."""

import json
import time
import tracemalloc

import pytest

from kelvin_provision.errors import RequestRefused
from kelvin_provision.spec.read.documents import parse, read, read_all
from kelvin_provision.spec.read.findings import Document, Finding, dotted, quoted
from tests.kit.waiting import PATIENCE


def findings(data, file="a.yaml"):
    with pytest.raises(RequestRefused) as caught:
        read(file, data.encode() if isinstance(data, str) else data)
    return list(caught.value.evidence)


def value(data, file="a.yaml"):
    (document,) = read(file, data.encode() if isinstance(data, str) else data)
    return document.value


def test_several_yaml_documents_keep_their_numbers_and_empty_ones_are_skipped():
    assert read("a.yaml", b"---\na: 1\n---\n# nothing\n---\nb: 2\n") == (Document("a.yaml", 1, {"a": 1}), Document("a.yaml", 3, {"b": 2}))


KUBECTL = """
y true | Y true | yes true | Yes true | YES true | n false | N false | no false | NO false | on true | On true | off false | tRue "tRue"
true true | TRUE true | True true | ~ null | null null | Null null | 0400 256 | 0o400 256 | 0O17 15 | 0x1F 31 | 0X1f 31 | 0b101 5 | -0b11 -3
0B1 1 | 1_000 1000 | 0_7 7 | 0800 800 | 08 8 | -0400 -256 | +5 5 | +0x1 1 | 1e3 1000 | 1. 1 | 1.5 1.5 | .5 0.5 | +.5 0.5 | 12e03 12000
1:30 "1:30" | 22:30:10 "22:30:10" | 2026-01-01 "2026-01-01" | 2026-01-01T00:00:00Z "2026-01-01T00:00:00Z" | 1e400 "1e400"
!!str\u00205 "5" | !!int\u0020"5" 5 | !!float\u00205 5 | !!bool\u0020"yes" true | !!binary\u0020aGVsbG8= "hello" | !!null\u0020'' null
!!timestamp\u00202026-01-01 "2026-01-01" | = "=" | 1e5_0 1e50 | _1 "_1" | 1__0 10 | 0x_1 1 | 685_230.15 685230.15 | 190:20:30 "190:20:30"
1_0.5 10.5 | 0o8 "0o8" | 0.0 0 | -0 0 | 1e-7 1e-07 | 0b "0b" | 0x "0x" | 00 0 | 007 7 | 09.5 9.5 | 'yes' "yes" | "0400" "0400" | !\u00205 "5"
12e45789 "12e45789" | 2.3.0 "2.3.0" | 256Mi "256Mi" | + "+" | - null | . "." | ... null | .5_0 ".5_0" | +.5_0 0.5
"""
"""Scalars and what `kubectl patch --local -o json` (1.32) made of them; two that are no scalars say null here."""


def test_scalars_are_read_as_kubectl_reads_them():
    for line in KUBECTL.strip().splitlines():
        for pair in line.split(" | "):
            text, expected = pair.rsplit(" ", 1)
            if text not in {"-", "..."}:
                assert value(f"a: {text.replace(chr(92) + 'u0020', ' ')}") == {"a": json.loads(expected)}, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%YAML 1.1\n---\na: no", {"a": False}),
        ("a: [~, null, ]", {"a": [None, None]}),
        ("a:", {"a": None}),
        ("a: !!map {b: !!seq [1]}", {"a": {"b": [1]}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: |\n  yes\n", {"a": "yes\n"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
        ("a: &k word\n*k : 2", {"a": "word", "word": 2}),
        ("\ufeffa: 1", {"a": 1}),
        ("a:\t1\t# tabs\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ('{"a": 1, b: 2}', {"a": 1, "b": 2}),
        ("a: '<<'", {"a": "<<"}),
        ("{8080: x, true: y0, 1.5: z}", {"8080": "x", "true": "y0", "1.5": "z"}),
        ("{'<<': {a: 1}}", {"<<": {"a": 1}}),
        ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
        ("{<<: [{a: 1}, {a: 2, c: 3}], a: 9}", {"a": 9, "c": 3}),
        (
            "a: &a {x: 1, z: {w: 1}}\nb:\n  <<: *a\n  x: 2\nc:\n- <<: *a",
            {"a": {"x": 1, "z": {"w": 1}}, "b": {"x": 2, "z": {"w": 1}}, "c": [{"x": 1, "z": {"w": 1}}]},
        ),
        ("{a: 1, <<: {a: 1}}", {"a": 1}),
    ],
)
def test_yaml_is_read_as_kubectl_reads_it(text, expected):
    assert value(text) == expected


def test_json_is_read_with_and_without_its_name():
    assert value('{"a": [1, 2.5, true, null, "x"]}', "a.json") == {"a": [1, 2.5, True, None, "x"]}
    assert value('\ufeff\n{"a":"\\u00e9"}', "-") == {"a": "é"}
    assert value('\t{\n\t"a": 1\n}', "-") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["a.yaml: empty; expected at least one document"]),
        ("# only a comment\n---\n", ["a.yaml: empty; expected at least one document"]),
        (b"a: \xff", ["a.yaml: invalid UTF-8 at byte 3; expected text in UTF-8"]),
        ("a: 1".encode("utf-16"), ["a.yaml: invalid UTF-8 at byte 0; expected text in UTF-8"]),
        (b"a" * (4 * 1024 * 1024 + 1), ["a.yaml: 4194305 bytes; the limit is 4194304 (4 MiB)"]),
        ("x: 1\n---\na: {b: 1, b: 2}\n", ["a.yaml, document 2, a.b: line 3: duplicate key 'b'; keys must be unique"]),
        ("a: 1\n'a': 2\nc: &k d\n", ["a.yaml, document 1, a: line 2: duplicate key 'a'; keys must be unique"]),
        ("a: [x, .nan]", ["a.yaml, document 1, a[1]: not a finite number; use a finite number, or quoted text"]),
        ("a: -.Inf", ["a.yaml, document 1, a: not a finite number; use a finite number, or quoted text"]),
        ("a: 18446744073709551616", ["a.yaml, document 1, a: number too large; use at most 64 bits, or quoted text"]),
        ("a: " + "9" * 5000, ["a.yaml, document 1, a: number too large; use at most 64 bits, or quoted text"]),
        (
            "a: !!python/object/apply:os.system [x]",
            ["a.yaml, document 1, a: this YAML tag is not supported; write a plain value or quoted text"],
        ),
        ("a: !hunter2 x", ["a.yaml, document 1, a: this YAML tag is not supported; write a plain value or quoted text"]),
        ("a: {0400: x}", ["a.yaml, document 1, a: the key '0400' would be read as 256; put it in quotes"]),
        ("on: x", ["a.yaml, document 1: the key 'on' would be read as true; put it in quotes"]),
        ("{x: 1, y: 2}", ["a.yaml, document 1: the key 'y' would be read as true; put it in quotes"]),
        ("1.50: x", ["a.yaml, document 1: the key '1.50' would be read as a number; put it in quotes"]),
        ("9" * 30 + ": x", [f"a.yaml, document 1: the key '{'9' * 30}' would be read as a number; put it in quotes"]),
        ("a: &k 5\n*k : 2", ["a.yaml, document 1: the key is a number; keys must be text: put it in quotes"]),
        ("a: !!int x", ["a.yaml, document 1, a: the value does not match its tag !!int; write a plain value or quoted text"]),
        ("a: !!bool 1", ["a.yaml, document 1, a: the value does not match its tag !!bool; write a plain value or quoted text"]),
        (
            "a: !!binary /w==",
            ["a.yaml, document 1, a: not base64 of UTF-8 text; write base64 as plain text, without !!binary"],
        ),
        ("a: !!set {b}", ["a.yaml, document 1, a: this YAML tag is not supported; write a plain value or quoted text"]),
        ("a:\n\tb: 1", None),
        ("~: x", ["a.yaml, document 1: the key is null; keys must be text: put it in quotes"]),
        ("? [a]\n: x", ["a.yaml, document 1: the key is a list or a mapping; keys must be text"]),
        ("a: {<<: 5}", ["a.yaml, document 1, a.<<: a merge key (<<) takes a mapping, or a list of mappings"]),
        ("a: {<<: [{b: 1}, 5]}", ["a.yaml, document 1, a.<<: a merge key (<<) takes a mapping, or a list of mappings"]),
        (
            "a: {b: 9, <<: {b: 1}}",
            ["a.yaml, document 1, a.b: this key comes before the merge key (<<), which also sets it; put << first"],
        ),
        (
            "a:\n  <<: {b: 1}\n  <<: {c: 1}",
            ["a.yaml, document 1, a: line 3: duplicate key '<<'; keys must be unique; it takes a list of mappings"],
        ),
        ("a: *b", ["a.yaml, document 1, a: alias without an anchor before it, or inside its own anchor; write the value out"]),
        ("a: &a [*a]", ["a.yaml, document 1, a[0]: alias without an anchor before it, or inside its own anchor; write the value out"]),
        ('a: "\\0"', ["a.yaml, document 1, a: text with a NUL or an unpaired surrogate; use text that UTF-8 can encode"]),
        ("- " * 65 + "x", [f"a.yaml, document 1, {'[0]' * 64}: nested too deeply; the limit is 64 levels"]),
        ("[" * 65 + "]" * 65, ["a.yaml, document 1: nested too deeply; the limit is 64 levels"]),
        ("[" * 1_000_000, ["a.yaml, document 1: nested too deeply; the limit is 64 levels"]),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, None),
        ("a: 1\n---\na: [1\nb: 'x", None),
        ("a: \x01", None),
    ],
)
def test_what_cannot_be_accepted_as_yaml_is_refused_with_its_place(text, expected):
    found = findings(text)
    if expected is None:
        assert len(found) == 1
        assert found[0].startswith("a.yaml, document ")
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"a": 1, "a": 2, "b": [{"c": 1, "c": 2}]}',
            [
                "a.json, document 1, a: duplicate key 'a'; keys must be unique",
                "a.json, document 1, b[0].c: duplicate key 'c'; keys must be unique",
            ],
        ),
        ('{"a": NaN}', ["a.json, document 1, a: not a finite number; use a finite number, or quoted text"]),
        (
            '{"a": [-Infinity]}',
            ["a.json, document 1, a[0]: not a finite number; use a finite number, or quoted text"],
        ),
        ('{"a": 1e999}', ["a.json, document 1, a: not a finite number; use a finite number, or quoted text"]),
        ('{"a": ' + "9" * 5000 + "}", ["a.json, document 1, a: number too large; use at most 64 bits, or quoted text"]),
        ('{"a": "\\ud800"}', ["a.json, document 1, a: text with a NUL or an unpaired surrogate; use text that UTF-8 can encode"]),
        ('{"\\u0000": 1}', ["a.json, document 1: text with a NUL or an unpaired surrogate; use text that UTF-8 can encode"]),
        ('{"a": 1 "b"}', ["a.json, document 1: line 1, column 9: not JSON: expecting ',' delimiter"]),
        ("a: 1", ["a.json, document 1: line 1, column 1: not JSON: expecting value"]),
        (" \n", ["a.json: empty; expected at least one document"]),
        ("null", ["a.json: empty; expected at least one document"]),
        ("[" * 1_000_000, ["a.json, document 1: nested too deeply; the limit is 64 levels"]),
    ],
)
def test_what_cannot_be_accepted_as_json_is_refused_with_its_place(text, expected):
    assert findings(text, "a.json") == expected


def test_64_levels_are_read():
    for text in ("[" * 64 + "]" * 64, "- " * 64 + "x"):
        assert isinstance(value(text), list)


def test_json_over_the_limits_is_refused():
    assert findings("[" * 65 + "]" * 65, "a.json") == ["a.json, document 1: nested too deeply; the limit is 64 levels"]
    assert findings("[" + "1," * 100_000 + "1]", "a.json") == [
        "a.json, document 1: too large with its aliases expanded; the limit is 100000 values and 4194304 characters"
    ]


def test_an_alias_bomb_is_refused_at_once_and_in_bounded_memory():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        lines.append(f"{name}: &{name} [{', '.join(['*' + before] * 10)}]")
    tracemalloc.start()
    start = time.monotonic()
    found = findings("\n".join(lines))
    assert time.monotonic() - start < PATIENCE
    assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    tracemalloc.stop()
    assert found == ["a.yaml, document 1, e[7]: too large with its aliases expanded; the limit is 100000 values and 4194304 characters"]


def test_merge_keys_are_counted_like_aliases():
    lines = ["a: &a {" + ", ".join(f"k{number}: 1" for number in range(10)) + "}"]
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        lines.append(f"{name}: &{name} {{{', '.join(f'k{number}: {{<<: *{before}}}' for number in range(10))}}}")
    assert "too large with its aliases expanded" in findings("\n".join(lines))[0]


def test_aliases_of_one_long_text_are_counted_by_their_characters():
    found = findings(f"s: &s {'x' * 1_000_000}\nl: [{', '.join(['*s'] * 50)}]")
    assert found == ["a.yaml, document 1, l[3]: too large with its aliases expanded; the limit is 100000 values and 4194304 characters"]


@pytest.mark.slow
def test_a_long_flat_list_is_stopped_at_the_limit():
    assert findings("- a\n" * 1_000_000)[0].startswith("a.yaml, document 1, [99999]: too large")


def test_what_the_parser_says_never_quotes_the_text():
    for text in ("a: 'hunter2", "a: *hunter2!x", "a: !hunter2!x y", 'a: "\\qhunter2"', "a: [hunter2", "%hunter2 x\n---\na: @hunter2"):
        assert not any("hunter2" in line for line in findings(text))


@pytest.mark.parametrize(
    "text",
    [
        'metadata:\n  name: {{ include "x.fullname" . }}',
        "a: {{ .Values.a }}",
        "{{- if .Values.enabled }}\na: 1\n{{- end }}",
        "a:\n  {{- toYaml .Values.b | nindent 2 }}",
    ],
)
def test_a_helm_template_is_named_as_one(text):
    assert findings(text) == ["a.yaml: this is an unrendered Helm template; give the output of `helm template`"]
    assert "Helm" not in findings("a: {{ .x }}")[0]


def test_findings_of_several_files_come_in_one_error():
    with pytest.raises(RequestRefused, match="invalid request: 2 findings") as caught:
        read_all([("a.yaml", b""), ("b.yaml", b"a: 1"), ("c.json", b"{} x")])
    assert [line.split(":")[0] for line in caught.value.evidence] == ["a.yaml", "c.json, document 1"]
    with pytest.raises(RequestRefused, match=r"invalid request: 1 finding$"):
        read_all([("a.yaml", b"")])
    assert [document.value for document in read_all([("a.yaml", b"a: 1\n---\nb: 2"), ("b.yaml", b"c: 3")])] == [
        {"a": 1},
        {"b": 2},
        {"c": 3},
    ]


def test_a_file_without_documents_may_be_fine():
    assert parse("a.yaml", b"# nothing yet\n") == ()
    assert parse("a.yaml", b"") == ()


def test_a_finding_is_one_line_with_its_place():
    finding = Finding("deploy.yaml", 2, dotted(("system", "ports", 0, "host")), "missing")
    assert str(finding) == "deploy.yaml, document 2, system.ports[0].host: missing"
    assert str(Finding("flags", 0, "", "missing")) == "flags: missing"
    assert dotted((0, "a.b", "c d", "e\nf")) == "[0]['a.b']['c d']['e\\nf']"
    assert quoted("x" * 70) == f"'{'x' * 60}...'"
