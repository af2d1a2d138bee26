"""One key of a settings file changed in place, and everything else to the byte as it was."""

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import SettingsInvalid
from kelvin_provision.settings.edit import edited, format_value

FILE = """\
# the box in hall 4
registry: r.example.com:5000   # ours

cluster:
  # asked the customer
  namespace: 'app'
  name: "hall # 4"
registries:
    r.example.com:5000:
        mirrors:
        - one.example.com
        - two.example.com
        insecure: true
    "other.example.com": {insecure: true}
download: {parallel: 2}
apply:
# last line
"""


def becomes(path, value, old, new):
    assert edited("f.yaml", FILE, path.split("/"), value) == FILE.replace(old, new)


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ("registry", "x.io", "registry: r.example.com:5000   # ours", "registry: x.io   # ours"),
        ("cluster/namespace", "edge", "namespace: 'app'", "namespace: edge"),
        ("cluster/name", "it's: #1", '"hall # 4"', '"it\'s: #1"'),
        ("cluster/type", "docker", '"hall # 4"\n', '"hall # 4"\n  type: docker\n'),
        ("registries/r.example.com:5000/insecure", False, 'insecure: true\n    "', 'insecure: false\n    "'),
        (
            "registries/r.example.com:5000/mirrors",
            ["a.io", "b.io/x"],
            "mirrors:\n        - one.example.com\n        - two.example.com\n",
            "mirrors: [a.io, b.io/x]\n",
        ),
        (
            "registries/new.io:5000/insecure",
            True,
            "{insecure: true}\n",
            "{insecure: true}\n    new.io:5000:\n      insecure: true\n",
        ),
        ("apply/timeout", "10m", "apply:\n", "apply:\n  timeout: 10m\n"),
        ("keep_revisions", 3, "# last line\n", "# last line\nkeep_revisions: 3\n"),
        ("cluster/name", None, '  name: "hall # 4"\n', ""),
        ("registries/r.example.com:5000/mirrors", None, "        mirrors:\n        - one.example.com\n        - two.example.com\n", ""),
        ("registry", None, "registry: r.example.com:5000   # ours\n", ""),
        ("keep_revisions", None, "", ""),
        ("registry", "r.example.com:5000", "", ""),
    ],
)
def test_a_key_is_changed_and_nothing_else(path, value, old, new):
    becomes(path, value, old, new)


def test_what_has_nothing_left_in_it_goes_too():
    text = "a: 1\nregistries:\n  r.io:\n    insecure: true\n# end\n"
    assert edited("f", text, ["registries", "r.io", "insecure"], None) == "a: 1\n# end\n"


@pytest.mark.parametrize("text", ["", "# only a comment", "---\n"])
def test_a_file_may_be_empty(text):
    made = edited("f.yaml", text, ["cluster", "name"], "x")
    assert made.endswith("cluster:\n  name: x\n")
    assert made.startswith(text)


@pytest.mark.parametrize("path", [["download", "parallel"], ["registries", "other.example.com", "insecure"], ["download", "stall_timeout"]])
def test_what_it_cannot_change_it_refuses_with_what_to_write(path):
    value = 4 if path[-1] == "parallel" else "5s"
    with pytest.raises(SettingsInvalid, match="cannot be changed here") as caught:
        edited("f.yaml", FILE, path, value)
    assert shell_line(caught.value.hint) == f"write {'.'.join(path)}: {value} by hand"


@pytest.mark.parametrize(
    "text", ["a: &x 1\nb: *x\n", "a: |\n  registry: no\n  text\n", '"registry" : old\n', "'registry': old # c\n", "- list\n", "a: [\n"]
)
def test_odd_files_are_changed_rightly_or_not_at_all(text):
    try:
        made = edited("f.yaml", text, ["registry"], "new")
    except SettingsInvalid:
        return
    assert "registry: new" in made or '"registry" : new' in made or "'registry': new # c" in made
    assert "registry: no\n" in made or "|" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (3, "3"), ("a b", "a b"), ("true", '"true"'), ("5", '"5"'), ("5m", "5m"), ("null", '"null"'), ("", '""'),
        ("22:00-05:00", "22:00-05:00"), ("a: b", '"a: b"'), ("x #y", '"x #y"'), ("é", '"é"'), (["a", "b,c"], '[a, "b,c"]'), ("~/x", "~/x"),
    ],
)  # fmt: skip
def test_how_a_value_is_written(value, text):
    assert format_value(value) == text
