"""A publication taken in by a box: what is staged, what is refused, and what is left alone."""

import json
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.following import withdrawing
from kelvin_provision.following.overview import overview
from kelvin_provision.following.taking import take, take_all
from kelvin_provision.leading import identity
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.history import history
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed
from kelvin_provision.ledger.rows.inspection import damage
from kelvin_provision.publications.choosing import percentile
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, Selector, encode
from kelvin_provision.settings.model import ApplySettings, FollowSettings
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import Verb
from kelvin_provision.trust import computing
from kelvin_provision.trust.dsse import document as signed_by
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.usecases.hold import hold, release
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy
from tests.kit.box import Box
from tests.kit.publishing import CREATED, entry, made, publish, request
from tests.kit.signing import computed_here, key_pair, signatures, trusting

SITE, LINE = "r.io/fleet/site:stable", "r.io/fleet/line:stable"
ANNA, OTTO = key_pair(), key_pair(name="otto")


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    with closing(Box(tmp_path / "state", trust=trusting(tmp_path, ANNA), follow=FollowSettings((SITE, LINE)))) as opened:
        opened.settings = replace(opened.settings, labels=("line=3",))
        yield opened


def follows(box, **changes):
    box.settings = replace(box.settings, follow=replace(box.settings.follow, **changes))
    box._connections = None


def staged(box):
    return {workload.name: workload.staged.spec.app_version for workload in box.ledger.workloads() if workload.staged}


def running(box):
    return {workload.name: workload.running.spec.app_version for workload in box.ledger.workloads() if workload.running}


def known(box, reference=SITE):
    with box.ledger.reading() as db:
        return following.publications(db).get(reference)


def error(box, reference=SITE):
    result = take(box.ctx, reference)
    assert result.error is not None
    assert known(box, reference).trouble.code == result.error.code
    return f"{result.error.code}: {result.error}"


def test_what_is_published_is_staged_in_the_name_of_the_publication(box):
    digest = publish(box, SITE, ANNA, 3, request("pump"), request("fan", instantly_apply=True))
    taken = take(box.ctx, SITE)
    assert (taken.error, taken.serial, taken.warnings) == (None, 3, ())
    box.turn()
    assert (staged(box), running(box)) == ({"pump": "1.0.0", "fan": "1.0.0"}, {})
    pump = box.ledger.workload("pump").staged
    assert (pump.spec.method, pump.signers.request, pump.download.value) == (Method.STAGED, (ANNA[1].key_id,), "ready")
    line = history(box.ledger, "pump")[0]
    assert (line.who, line.action, line.outcome) == (f"follow {SITE}", "deploy", "accepted")
    assert f"signed by anna ({ANNA[1].key_id[:12]}), sha256:" in line.detail
    document = digest_of(
        encode(Publication(3, "2026-11-28T10:00:00Z", (entry(request("pump")), entry(request("fan", instantly_apply=True)))))
    )
    assert replace(known(box), taken=None) == Followed(SITE, digest, 3, (ANNA[1].text,), "2026-11-28T10:00:00Z", document=document)


def test_the_same_again_changes_nothing_and_writes_nothing(box):
    publish(box, SITE, ANNA, 3, request("pump"))
    take(box.ctx, SITE)
    before = box.ledger.version()
    assert take(box.ctx, SITE).staged == ()
    assert box.ledger.version() == before


@pytest.mark.parametrize("apply", ["never", "window", "now"])
def test_when_it_is_applied_is_said_by_the_site_and_not_by_the_request(box, apply):
    window = Window.parse("00:00-24:00") if apply == "window" else None
    box.settings = replace(box.settings, apply=ApplySettings(settle=0.0, window=window))
    follows(box, apply=apply)
    publish(box, SITE, ANNA, 1, request("pump", instantly_apply=apply == "never"))
    take(box.ctx, SITE)
    box.turn()
    assert running(box) == ({} if apply == "never" else {"pump": "1.0.0"})


def test_a_hold_and_a_closed_window_keep_what_is_followed_from_being_applied(box):
    follows(box, apply="now")
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    box.turn()
    hold(box.ctx, ("pump",), "line 3 produces")
    publish(box, SITE, ANNA, 2, request("pump", "2.0.0"))
    take(box.ctx, SITE)
    box.turn()
    assert (running(box), staged(box)) == ({"pump": "1.0.0"}, {"pump": "2.0.0"})


def test_only_keys_for_requests_count_and_nothing_is_parsed_before(box):
    publish(box, SITE, OTTO, 1, request("pump"))
    assert error(box).startswith("signer-unknown: signed with key")
    publish(box, SITE, ANNA, 1, request("pump"), signed=b"[]")
    assert error(box) == "signature-missing: there is no signature"
    one, _ = made(ANNA, 1, request("pump"))
    other = json.loads(one.manifest)["layers"][1]
    publish(
        box,
        SITE,
        ANNA,
        2,
        request("fan"),
        signed=box.source.artifacts.get(other["digest"]) or dict(made(ANNA, 1, request("pump"))[1])[other["digest"]],
    )
    assert error(box).startswith("signature-invalid: the signature of anna")
    assert staged(box) == {}


def test_an_older_serial_is_refused_also_after_it_was_not_followed_for_a_while(box):
    publish(box, SITE, ANNA, 5, request("pump"))
    take(box.ctx, SITE)
    follows(box, publications=(LINE,))
    take_all(box.ctx, [LINE])
    assert known(box) is None
    follows(box, publications=(SITE,))
    publish(box, SITE, ANNA, 4, request("pump", "0.9.0"))
    assert error(box) == f"publication-older: {SITE} has the serial 4, and this box has had 5 of a trusted key already"
    publish(box, SITE, ANNA, 6, request("pump", "0.9.0"))
    assert take(box.ctx, SITE).error is None
    assert known(box).trouble is None
    assert staged(box) == {"pump": "0.9.0"}


def test_another_publication_with_the_same_serial_is_refused_until_the_next_one(box, tmp_path):
    publish(box, SITE, ANNA, 5, request("pump"))
    take(box.ctx, SITE)
    first, there = known(box), box.source.tags[SITE]
    publish(box, SITE, ANNA, 5, request("pump", "0.9.0"))
    with box.ledger.reading() as db:
        kept = following.documents(db, SITE, [ANNA[1].key_id], 5)
    other = digest_of(encode(Publication(5, CREATED, (entry(request("pump", "0.9.0")),))))
    text = f"{SITE} has two publications with the serial 5: this box has had {first.document}, and now it is {other}"
    assert (kept, error(box)) == ({first.document}, f"publication-differs: {text}")
    box.settings = replace(box.settings, trust=trusting(tmp_path, ANNA, OTTO))
    publish(box, SITE, OTTO, 5, request("pump", "0.9.0"))
    assert error(box) == f"publication-differs: {text}"
    box.source.tags[SITE] = there
    assert take(box.ctx, SITE).error is None
    assert known(box) == first
    publish(box, SITE, OTTO, 6, request("pump", "0.9.0"))
    assert take(box.ctx, SITE).error is None
    assert staged(box) == {"pump": "0.9.0"}


def test_the_present_publication_stays_right_when_a_key_with_the_same_serial_is_trusted_again(box, tmp_path):
    publish(box, SITE, ANNA, 5, request("pump"))
    take(box.ctx, SITE)
    annas = box.source.tags[SITE]
    (tmp_path / "later").mkdir()
    box.settings = replace(box.settings, trust=trusting(tmp_path / "later", OTTO))
    publish(box, SITE, OTTO, 5, request("pump", "0.9.0"))
    assert take(box.ctx, SITE).error is None
    present = known(box)
    (tmp_path / "both").mkdir()
    box.settings = replace(box.settings, trust=trusting(tmp_path / "both", ANNA, OTTO))
    assert take(box.ctx, SITE).error is None
    assert known(box) == present
    box.source.tags[SITE] = annas
    assert error(box).startswith("publication-differs")


def test_what_was_taken_in_before_documents_were_kept_is_known_from_the_next_look_on(box):
    publish(box, SITE, ANNA, 5, request("pump"))
    take(box.ctx, SITE)
    before = known(box)
    with box.ledger.writing() as db:
        db.execute("UPDATE published SET document = ''")
        db.execute("UPDATE following SET document = ''")
    assert take(box.ctx, SITE).error is None
    assert known(box) == before
    publish(box, SITE, ANNA, 5, request("pump", "0.9.0"))
    assert error(box).startswith("publication-differs")


def test_a_publication_that_gets_another_signature_is_the_same_one(box, tmp_path):
    """As where several must sign: the document is the same, and the artifact is another one."""
    publish(box, SITE, ANNA, 5, request("pump"))
    take(box.ctx, SITE)
    box.settings = replace(box.settings, trust=trusting(tmp_path, ANNA, OTTO))
    document = encode(Publication(5, CREATED, (entry(request("pump")),)))
    both = signed_by([*entries_of(signatures(ANNA, document, PAYLOAD_TYPE)), *entries_of(signatures(OTTO, document, PAYLOAD_TYPE))])
    digest = publish(box, SITE, ANNA, 5, request("pump"), signed=both)
    assert take(box.ctx, SITE).error is None
    assert (known(box).digest, known(box).serial) == (digest, 5)


def test_a_publication_of_before_by_another_key_that_is_trusted_is_refused_too(box, tmp_path):
    """Who writes to the registry could go back otherwise, as soon as a second key has signed."""
    box.settings = replace(box.settings, trust=trusting(tmp_path, ANNA, OTTO))
    publish(box, SITE, ANNA, 4, request("pump", "0.9.0"))
    take(box.ctx, SITE)
    publish(box, SITE, OTTO, 5, request("pump"))
    assert take(box.ctx, SITE).error is None
    publish(box, SITE, ANNA, 4, request("pump", "0.9.0"))
    assert error(box) == f"publication-older: {SITE} has the serial 4, and this box has had 5 of a trusted key already"
    assert staged(box) == {"pump": "1.0.0"}


def test_a_new_key_begins_anew_once_the_old_one_is_not_trusted(box, tmp_path):
    publish(box, SITE, ANNA, 4, request("pump"))
    take(box.ctx, SITE)
    box.settings = replace(box.settings, trust=trusting(tmp_path, OTTO))
    publish(box, SITE, OTTO, 1, request("pump", "2.0.0"))
    assert take(box.ctx, SITE).error is None
    assert staged(box) == {"pump": "2.0.0"}


def test_what_is_not_meant_for_this_box_is_not_even_fetched(box):
    new, old = request("pump", "2.0.0"), request("pump")
    entries = [
        entry(new, selector=Selector(labels=(("line", ("4",)),))),
        entry(old),
        entry(request("fan"), selector=Selector(boxes=("other-*",))),
    ]
    publish(box, SITE, ANNA, 1, new, old, request("fan"), entries=entries)
    take(box.ctx, SITE)
    assert staged(box) == {"pump": "1.0.0"}
    assert entries[0].digest not in {digest for digest, _, _ in box.source.served}


def test_a_larger_rollout_reaches_this_box_and_a_smaller_one_does_not(box):
    box.settings = replace(box.settings, cluster=replace(box.settings.cluster, name="box-7"))
    box._connections = None
    reached = percentile("pump", "box-7") + 1
    new, old = request("pump", "2.0.0"), request("pump")
    publish(box, SITE, ANNA, 1, new, old, entries=[entry(new, rollout=reached - 1), entry(old)])
    take(box.ctx, SITE)
    assert staged(box) == {"pump": "1.0.0"}
    publish(box, SITE, ANNA, 2, new, old, entries=[entry(new, rollout=reached), entry(old)])
    take(box.ctx, SITE)
    assert staged(box) == {"pump": "2.0.0"}


def test_a_version_that_failed_here_is_not_tried_again_and_its_successor_is(box):
    follows(box, apply="now")
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    box.turn()
    publish(box, SITE, ANNA, 2, request("pump", "2.0.0"))
    take(box.ctx, SITE)
    box.cluster.broken = {f"r.io/pump:2.0.0@{box.source.images['r.io/pump:2.0.0'].digest}": "it crashes"}
    box.turn()
    assert running(box) == {"pump": "1.0.0"}
    assert box.ledger.workload("pump").staged.blocked
    publish(box, SITE, ANNA, 3, request("pump", "2.0.0"), request("fan"))
    taken = take(box.ctx, SITE)
    box.turn()
    assert [revision.workload for revision in taken.staged] == ["fan"]
    assert running(box) == {"pump": "1.0.0", "fan": "1.0.0"}
    publish(box, SITE, ANNA, 4, request("pump", "2.0.1"), request("fan"))
    take(box.ctx, SITE)
    box.turn()
    assert running(box) == {"pump": "2.0.1", "fan": "1.0.0"}


def test_a_publisher_that_goes_back_to_what_runs_takes_the_staged_version_back(box):
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    box.turn()
    box.command_apply("pump")
    publish(box, SITE, ANNA, 2, request("pump", "2.0.0"))
    take(box.ctx, SITE)
    assert staged(box) == {"pump": "2.0.0"}
    publish(box, SITE, ANNA, 3, request("pump"))
    taken = take(box.ctx, SITE)
    assert (taken.staged, taken.dropped, staged(box), running(box)) == ((), ("pump",), {}, {"pump": "1.0.0"})


def test_what_a_person_staged_since_stays_when_the_publisher_goes_back(box):
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    box.turn()
    box.command_apply("pump")
    publish(box, SITE, ANNA, 2, request("pump", "2.0.0"))
    take(box.ctx, SITE)
    box.deploy("pump", version="3.0.0")
    publish(box, SITE, ANNA, 3, request("pump"))
    assert take(box.ctx, SITE).dropped == ()
    assert staged(box) == {"pump": "3.0.0"}


def test_what_a_person_removed_does_not_come_back_until_there_is_another_version(box):
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    undeploy(box.ctx, UndeployRequest(("pump",)))
    publish(box, SITE, ANNA, 2, request("pump"), request("fan"))
    take(box.ctx, SITE)
    assert staged(box) == {"fan": "1.0.0"}
    publish(box, SITE, ANNA, 3, request("pump", "1.1.0"), request("fan"))
    take(box.ctx, SITE)
    assert staged(box) == {"fan": "1.0.0", "pump": "1.1.0"}


@pytest.mark.parametrize("prune", [False, True])
def test_what_is_withdrawn_is_proposed_and_removed_only_where_the_site_says_so(box, prune):
    follows(box, prune=prune)
    publish(box, SITE, ANNA, 1, request("pump"), request("fan"))
    take(box.ctx, SITE)
    box.deploy("other")
    box.turn()
    publish(box, SITE, ANNA, 2, request("fan"), withdrawn=("pump", "other", "never-here"))
    taken = take(box.ctx, SITE)
    assert (taken.withdrawn, taken.pruned) == (("pump",), ("pump",) if prune else ())
    assert [each.workload for each in withdrawing.proposed(box.ctx)] == ["pump"]
    assert [(order.verb, order.names, order.actor) for order in orders.pending(box.ledger)] == (
        [(Verb.UNDEPLOY, ("pump",), f"follow {SITE}")] if prune else []
    )
    line = next(line for line in history(box.ledger, "pump") if line.action == "follow")
    assert (line.outcome, line.detail) == ("withdrawn", "publication 2 does not have it any more")
    box.turn()
    assert ("pump" in box.ledger.names()) is not prune
    assert withdrawing.proposed(box.ctx) == (() if prune else withdrawing.proposed(box.ctx))
    publish(box, SITE, ANNA, 3, request("fan"), request("pump"))
    take(box.ctx, SITE)
    assert withdrawing.proposed(box.ctx) == ()


def test_what_a_person_deploys_after_a_withdrawal_was_carried_out_is_theirs(box):
    follows(box, prune=True)
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    publish(box, SITE, ANNA, 2, withdrawn=("pump",))
    take(box.ctx, SITE)
    box.turn()
    assert list(box.ledger.names()) == []
    box.deploy("pump", version="3.0.0")
    assert (withdrawing.proposed(box.ctx), take(box.ctx, SITE).pruned) == ((), ())
    box.turn()
    assert staged(box) == {"pump": "3.0.0"}


def test_a_held_workload_is_not_removed_and_no_undeploy_is_ordered_twice(box):
    follows(box, prune=True)
    publish(box, SITE, ANNA, 1, request("pump"))
    take(box.ctx, SITE)
    hold(box.ctx, ("pump",), "not now")
    publish(box, SITE, ANNA, 2, withdrawn=("pump",))
    assert take(box.ctx, SITE).pruned == ()
    release(box.ctx, ("pump",))
    assert [take(box.ctx, SITE).pruned for _ in range(2)] == [("pump",), ()]


def test_a_workload_belongs_to_the_publication_that_had_it_first(box):
    publish(box, SITE, ANNA, 1, request("pump"))
    publish(box, LINE, ANNA, 1, request("pump", "2.0.0"), request("fan"))
    taken = take_all(box.ctx)
    assert [result.warnings for result in taken] == [(), (f"pump is followed from {SITE} already, and not taken from {LINE}",)]
    assert staged(box) == {"pump": "1.0.0", "fan": "1.0.0"}
    follows(box, publications=(LINE,))
    take_all(box.ctx)
    assert staged(box) == {"pump": "2.0.0", "fan": "1.0.0"}


def test_a_damaged_row_of_the_ledger_is_written_anew_and_lists_go_on(box):
    publish(box, SITE, ANNA, 3, request("pump"))
    take(box.ctx, SITE)
    before = known(box)
    with box.ledger.writing() as db:
        db.execute("UPDATE following SET signers = '7'")
    assert damage(box.ledger)
    assert [each.followed for each in overview(box.ctx)] == [Followed(SITE), Followed(LINE)]
    publish(box, SITE, ANNA, 2, request("pump", "0.9.0"))
    assert error(box).startswith("publication-older")
    publish(box, SITE, ANNA, 3, request("pump"))
    taken = take(box.ctx, SITE)
    assert (taken.error, taken.staged, replace(known(box), taken=None)) == (None, (), replace(before, taken=None))
    assert damage(box.ledger) == ()


def test_a_publication_that_is_not_there_is_not_taken_for_an_image(box):
    result = take(box.ctx, SITE)
    assert (result.error.code, result.error.hint.instruction) == (
        "image-not-found",
        "publish it at the desk, or correct follow.publications",
    )


def test_a_box_that_has_lost_the_lead_takes_nothing_in(box):
    """As it refuses a deploy: what it staged would be for nothing."""
    publish(box, SITE, ANNA, 1, request("pump"))
    identity.ensure(box.settings.state_dir)
    box.cluster.take_lease(identity.new_holder(), term=1, over="")
    assert error(box).startswith("lead-elsewhere: this box does not lead the cluster")
    assert staged(box) == {}


def test_all_of_a_publication_or_nothing(box):
    publish(box, SITE, ANNA, 1, request("pump"), request("fan", nonsense=1))
    assert error(box).startswith("request-refused: invalid request")
    assert (staged(box), known(box).serial) == ({}, 0)


def test_a_request_of_another_workload_than_is_published_is_refused(box):
    body = request("pump")
    publish(box, SITE, ANNA, 1, body, entries=[replace(entry(body), name="fan")])
    assert error(box) == "publication-invalid: the request that is published for fan is of the workload pump"


def test_a_request_whose_bytes_are_others_is_refused(box):
    body = request("pump")
    publish(box, SITE, ANNA, 1, body)
    box.source.artifacts[entry(body).digest] = body.replace(b"1.0.0", b"6.6.6")
    assert error(box).startswith("digest-mismatch: ")
    assert staged(box) == {}


def test_the_tag_is_moved_between_the_look_and_the_reading(box, monkeypatch):
    """What was seen is read, by its digest: whoever moves the tag cannot mix two publications."""
    publish(box, SITE, ANNA, 1, request("pump"))
    look = box.source.digest

    def digest(reference, known=""):
        seen = look(reference, known)
        publish(box, SITE, OTTO, 9, request("fan"))
        return seen

    monkeypatch.setattr(box.source, "digest", digest)
    assert take(box.ctx, SITE).error is None
    assert staged(box) == {"pump": "1.0.0"}


def test_a_registry_that_is_away_is_recorded_once_and_over_with_the_next_answer(box):
    publish(box, SITE, ANNA, 1, request("pump"))
    box.source.down = RegistryUnreachable("the registry r.io does not answer (port 4711)")
    take(box.ctx, SITE)
    since, before = known(box).trouble, box.ledger.version()
    box.source.down = RegistryUnreachable("the registry r.io does not answer (port 4712)")
    take(box.ctx, SITE)
    assert (known(box).trouble, box.ledger.version()) == (since, before)
    box.source.down = None
    take(box.ctx, SITE)
    assert known(box).trouble is None
