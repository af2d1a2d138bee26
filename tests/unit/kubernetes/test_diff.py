"""What would change, by path and never by value."""

import pytest

from kelvin_provision.cluster.kubernetes.judge.diff import change, changed_paths, deletion, owned_by
from kelvin_provision.cluster.labels import HOME, OWNER, REVISION
from kelvin_provision.cluster.plan import Change, Op


def item_of(spec, **metadata):
    return {"kind": "Deployment", "metadata": {"name": "m", **metadata}, "spec": spec}


def test_what_is_not_there_is_made():
    assert change("w", None, item_of({})) == Change(Op.CREATE, "w", "Deployment/m", "not on the cluster")


def test_what_the_server_writes_by_itself_is_no_change():
    live = item_of(
        {"a": 1}, resourceVersion="1", generation=1, uid="u", managedFields=[], creationTimestamp="t", annotations={REVISION: "1"}
    )
    outcome = item_of({"a": 1}, resourceVersion="2", generation=2, uid="u", annotations={REVISION: "2"}) | {"status": {"x": 1}}
    assert change("w", live, outcome) == Change(Op.KEEP, "w", "Deployment/m", "unchanged")


def test_a_change_names_its_fields():
    live = item_of({"containers": [{"name": "c", "image": "x:1"}], "replicas": 1})
    outcome = item_of({"containers": [{"name": "c", "image": "x:2"}], "replicas": 2})
    assert change("w", live, outcome) == Change(Op.UPDATE, "w", "Deployment/m", "spec.containers[c].image, spec.replicas")


def test_many_changes_are_counted():
    live, outcome = item_of(dict.fromkeys("abcdef", 1)), item_of(dict.fromkeys("abcdef", 2))
    assert change("w", live, outcome).why == "spec.a, spec.b, spec.c, spec.d and 2 more"


def test_what_goes():
    assert deletion("w", item_of({})) == Change(Op.DELETE, "w", "Deployment/m", "no longer in the workload")


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "x"}, {"name": "y", "v": 1}]}, ["a[y]"]),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x"}]}, ["a"]),
        ({"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]}, {"a": [{"name": "x", "v": 1}, {"name": "x", "v": 3}]}, ["a[1].v"]),
        ({"a": [{"name": "x", "l": [1]}]}, {"a": [{"name": "x", "l": [2]}]}, ["a[x].l[0]"]),
        ({"a": 1}, {"a": [1]}, ["a"]),
    ],
)
def test_paths_of_what_differs(old, new, paths):
    assert sorted(changed_paths(old, new)) == paths


@pytest.mark.parametrize(
    ("live", "mine"),
    [
        (None, True),
        (item_of({}, labels={OWNER: "w"}), True),
        (item_of({}, labels={OWNER: "v"}), False),
        (item_of({}), False),
        (item_of({}, namespace="app", labels={OWNER: "w", HOME: "another-box"}), False),
    ],
)
def test_only_our_label_makes_it_ours(live, mine):
    assert owned_by(live, "w", item_of({}, namespace="app", labels={OWNER: "w"})) is mine


def test_an_object_elsewhere_is_ours_only_with_the_namespace_of_this_box():
    elsewhere = item_of({}, namespace="mqtt", labels={OWNER: "w", HOME: "app"})
    assert owned_by(elsewhere, "w", elsewhere)
    assert not owned_by(item_of({}, namespace="mqtt", labels={OWNER: "w", HOME: "another-box"}), "w", elsewhere)
    assert not owned_by(item_of({}, namespace="mqtt", labels={OWNER: "w"}), "w", elsewhere)


def test_an_object_of_the_cluster_may_lack_the_label_that_an_earlier_version_did_not_write():
    new, old = item_of({}, labels={OWNER: "w", HOME: "app"}), item_of({}, labels={OWNER: "w"})
    assert owned_by(old, "w", new)
    assert owned_by(new, "w", old)
    assert not owned_by(item_of({}, labels={OWNER: "w", HOME: "another-box"}), "w", new)
