"""Two documents field by field, long texts line by line."""

import pytest

from kelvin_provision.spec.diff.fields import ABSENT, Field, compare, flat, leaves, parted
from kelvin_provision.spec.diff.unified import unified


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True, "b": None}, [Field("b", ABSENT, None)]),
        ({"a": 1, "b": {"c": [1, 2]}}, {"b": {"c": [1, 3]}}, [Field("a", 1, ABSENT), Field("b.c[1]", 2, 3)]),
        ({"data": {"app.yaml": "x", "k/e": 1}}, {"data": {"app.yaml": "y"}}, [Field("data[app.yaml]", "x", "y"), Field("data[k/e]", 1, ABSENT)]),
        ({"v": [{"name": "a", "x": 1}]}, {"v": [{"name": "b", "x": 1}]}, [Field("v[a]", {"name": "a", "x": 1}), Field("v[b]", new={"name": "b", "x": 1})]),
        (
            {"mounts": [{"name": "v", "mountPath": "/a", "ro": True}, {"name": "v", "mountPath": "/b"}]},
            {"mounts": [{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a", "ro": False}]},
            [Field("mounts[/a].ro", True, False), Field("mounts", ["/a", "/b"], ["/b", "/a"])],
        ),
        ({"ports": [{"containerPort": 80}]}, {"ports": []}, [Field("ports[80]", {"containerPort": 80}, ABSENT)]),
        ({"args": ["a"]}, {"args": ["a", "b"]}, [Field("args", ["a"], ["a", "b"])]),
    ],
)  # fmt: skip
def test_each_difference_is_one_field_as_deep_as_it_can_be_named(old, new, fields):
    assert list(compare(old, new)) == fields


def test_what_came_can_be_told_in_single_values():
    came = Field("c[a]", ABSENT, {"name": "a", "probe": {"port": 1}, "args": ["x", "y"], "none": {}})
    assert list(leaves(came)) == [
        Field("c[a].name", ABSENT, "a"),
        Field("c[a].probe.port", ABSENT, 1),
        Field("c[a].args", ABSENT, ["x", "y"]),
        Field("c[a].none", ABSENT, {}),
    ]
    assert list(leaves(Field("a", 1, 2))) == [Field("a", 1, 2)]


def test_paths_of_a_document_are_those_of_its_comparison():
    document = {"spec": {"ports": [{"port": 1}, {"port": 2, "x": {"y": 3}}], "labels": {"a/b": "c"}}}
    assert dict(flat(document)) == {
        "spec.ports[1].port": 1,
        "spec.ports[2].port": 2,
        "spec.ports[2].x.y": 3,
        "spec.labels[a/b]": "c",
    }


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ("", "a")),
        ("a.b.c", ("a.b", "c")),
        ("a.b[c]", ("a.b", "[c]")),
        ("a[x.y].b", ("a[x.y]", "b")),
        ("data[app.yaml]", ("data", "[app.yaml]")),
        ("", ("", "")),
    ],
)
def test_a_path_has_a_place_and_a_last_word(path, parts):
    assert parted(path) == parts


def test_long_texts_are_told_by_their_lines_with_some_around():
    old = "".join(f"{number}\n" for number in range(1, 10))
    assert unified(old, old.replace("5\n", "five\nand more\n")) == [
        "@@ -2,7 +2,8 @@",
        " 2",
        " 3",
        " 4",
        "-5",
        "+five",
        "+and more",
        " 6",
        " 7",
        " 8",
    ]
    assert unified("", "a\nb\n") == ["@@ -0,0 +1,2 @@", "+a", "+b"]
    assert unified("a\n", "a\n") == []
    assert unified("a\nb", "a\nb\n") == ["@@ @@", " only the newline at the end has changed"]


def test_texts_that_would_take_minutes_are_counted_instead():
    old, new = ("".join(f"{word} {number}\n" for number in range(3000)) for word in ("old", "new"))
    assert unified(old, new) == ["@@ @@", "-3000 lines, too many to compare", "+3000 lines"]
    assert len(unified(old + "end\n", old + "another end\n")) == 6
