"""From a publication to the next one: what is added, superseded, withdrawn, and gone back to."""

import pytest

from kelvin_provision.errors import UsageRefused
from kelvin_provision.fleet.differing import changed_fields, differences
from kelvin_provision.fleet.drafting import Draft, following, going_back, is_same
from kelvin_provision.publications.model import Publication, PublishedRequest, Selector, decode, encode

TIME = "2026-11-28T10:00:00Z"
ANY, NORTH = Selector(), Selector(boxes=("north-*",))


def digest(number):
    return f"sha256:{number:064x}"


def entry(name="pump", version=1, rollout=100, selector=ANY):
    return PublishedRequest(name, digest(version), 100, selector, rollout)


def after(before, *entries, **more):
    made = following(before, digest(99) if before else None, Draft(entries, **more), TIME)
    assert decode(encode(made)) == made
    return made


def offered(publication):
    return [(request.name, int(request.digest[7:], 16), request.rollout, request.selector == NORTH) for request in publication.requests]


def test_the_first_has_serial_1_and_nothing_before():
    first = after(None, entry(), entry("fan"))
    assert (first.serial, first.previous) == (1, None)
    assert after(first, entry(version=2)).serial == 2
    assert after(first, entry(version=2), serial=70).serial == 70
    with pytest.raises(UsageRefused, match="not higher than 1"):
        after(first, entry(version=2), serial=1)


def test_what_is_not_named_stays():
    assert offered(after(after(None, entry(), entry("fan")), entry(version=2))) == [("pump", 2, 100, False), ("fan", 1, 100, False)]


def test_a_trial_stands_before_the_version_of_the_others_until_it_is_for_all():
    trial = after(after(None, entry()), entry(version=2, rollout=10))
    assert offered(trial) == [("pump", 2, 10, False), ("pump", 1, 100, False)]
    wider = after(trial, entry(version=2, rollout=50))
    assert offered(wider) == [("pump", 2, 50, False), ("pump", 1, 100, False)]
    other = after(wider, entry(version=3, rollout=10))
    assert offered(other) == [("pump", 3, 10, False), ("pump", 1, 100, False)]
    assert offered(after(other, entry(version=3))) == [("pump", 3, 100, False)]


def test_a_version_for_some_boxes_stands_before_that_for_all():
    both = after(after(None, entry()), entry(version=2, selector=NORTH))
    assert offered(both) == [("pump", 2, 100, True), ("pump", 1, 100, False)]
    assert offered(after(both, entry(version=3, selector=NORTH))) == [("pump", 3, 100, True), ("pump", 1, 100, False)]
    assert offered(after(both, entry(version=4))) == [("pump", 4, 100, False)]


def test_a_smaller_share_of_the_same_version_takes_it_back_from_the_others():
    assert offered(after(after(None, entry()), entry(rollout=10))) == [("pump", 1, 10, False)]


def test_what_is_withdrawn_stays_so_until_it_is_published_again():
    first = after(None, entry(), entry("fan"))
    gone = after(first, withdraw=("pump",))
    assert (offered(gone), gone.withdrawn) == ([("fan", 1, 100, False)], ("pump",))
    assert after(gone, entry("fan", 2)).withdrawn == ("pump",)
    assert after(gone, entry()).withdrawn == ()
    assert is_same(gone, after(gone, withdraw=("pump",)))
    with pytest.raises(UsageRefused, match="not published here"):
        after(first, withdraw=("punp",))
    with pytest.raises(UsageRefused, match="at once"):
        after(first, entry(), withdraw=("pump",))


def test_only_withdraws_the_rest():
    alone = after(after(None, entry(), entry("fan")), entry(version=2), alone=True)
    assert (offered(alone), alone.withdrawn) == ([("pump", 2, 100, False)], ("fan",))


def test_going_back_withdraws_what_has_come_since():
    first = after(None, entry(), entry("old"))
    second = after(first, entry(version=2), entry("fan"), withdraw=("old",))
    back = going_back(second, digest(2), first, Draft(), TIME)
    assert (back.serial, back.previous, back.requests, back.withdrawn) == (3, digest(2), first.requests, ("fan",))


def test_more_than_a_publication_holds_is_refused():
    many = [entry(f"w{number}") for number in range(257)]
    with pytest.raises(UsageRefused, match="at most 256"):
        after(None, *many)
    before = Publication(1, TIME, (entry(),), tuple(f"w{number}" for number in range(1024)))
    with pytest.raises(UsageRefused, match="at most 1024"):
        after(before, withdraw=("pump",))


def test_differences_name_fields_and_no_values():
    bodies = {
        digest(1): b'{"app_version": "1", "payload": {"env": {"A": "x"}, "ports": [1]}}',
        digest(2): b'{"app_version": "2", "payload": {"env": {"A": "secret"}, "ports": [1, 2]}}',
        digest(3): b"\xff",
    }
    before, now = (
        Publication(1, TIME, (entry(), entry("old"), entry("same"))),
        Publication(2, TIME, (entry(version=2, rollout=10), entry(), entry("new", 3), entry("same")), ("old",)),
    )
    rows = differences(before, now, lambda request: bodies[request.digest])
    assert [(row.name, row.outcome) for row in rows] == [("pump", "changed"), ("new", "added"), ("same", "unchanged"), ("old", "withdrawn")]
    assert rows[0].detail == "1 -> 2 to 10 %, then 1 (app_version, payload.env.A, payload.ports)"
    assert rows[1].detail == digest(3)[7:19]
    assert "secret" not in str([row.to_json() for row in rows])
    assert list(changed_fields({"a": {"b": 1}}, {"a": None})) == ["a"]
