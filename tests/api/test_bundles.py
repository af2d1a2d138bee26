"""Bundles over the API: on media that are in the box, and uploaded ones; the agent reads them in a process of its own."""

import asyncio
import json
import os
import signal
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.api.work.imports import Imports
from kelvin_provision.bundles.on_media import DEEPEST, on_media, place_of
from kelvin_provision.errors import BundleMissing, Locked
from kelvin_provision.ledger import history
from kelvin_provision.media.arrivals import DEVICES, Arrival, ArrivedBundle, Seen, fact_of
from kelvin_provision.spec.enums import Download
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
from tests.kit import foreign_zips
from tests.kit.api_process import ApiProcess, environment
from tests.kit.browser import as_level, plain
from tests.kit.bundle_box import media, served
from tests.kit.bundles import make
from tests.kit.images import make_image, tar_of
from tests.kit.openapi import valid
from tests.kit.packages import package
from tests.kit.requests import deployable
from tests.kit.signing import key_pair, trusting
from tests.kit.trusting import signed, trust_document
from tests.kit.uploads import UPLOADS, announce, put, uploaded
from tests.kit.waiting import until

__all__ = ["media", "served"]
MEDIA = "/edge/v1/media"


def inspected(served, where, body=None, what="inspect"):
    """Asked again while the process of the question before is still ending, which takes a while on a busy machine."""
    answers = []

    def answered():
        answers.append(served.post(f"{where}/{what}", body, Level.DEPLOY))
        return answers[-1].status != 503

    until(answered)
    return answers[-1]


def asked(ask, *arguments):
    """A page that asks the agent: again while the process of the question before is still ending."""
    answers = []

    def answered():
        answers.append(ask(*arguments))
        return answers[-1].status != 503

    until(answered)
    return answers[-1]


@pytest.fixture
def bundle():
    return make({"127.0.0.1:1/motor:1.0.0": make_image([tar_of({"a": b"motor"})])}, [json.dumps(deployable()).encode()], name="line-3")


@pytest.mark.slow
def test_what_has_arrived_is_listed_with_the_command_that_imports_it(box, served):
    """And on the page; only what the kernel knows now."""
    shown = ArrivedBundle("north", "north.kpb", f"sha256:{'a' * 64}", ("anna (0123456789ab)",))
    refused = ArrivedBundle("evil", "<b>.kpb", "", (), Seen.REFUSED, "<i>no</i>")
    device = next(iter(sorted(DEVICES.iterdir()))).name
    arrival = Arrival(f"/dev/{device}", "/media/stick", "2026-11-28T12:00:00Z", (shown, refused))
    for key, value in fact_of(arrival).items():
        box.ledger.remember(key, value)
    answer = served.ask("GET", "/edge/v1/media", token=served.as_level(Level.DEPLOY))
    valid(answer, "/edge/v1/media", "get")
    (listed,) = answer.json["arrived"]
    assert [(one["outcome"], one["solution"]) for one in listed["bundles"]] == [
        ("shown", "sudo kelvin-provision bundle import /media/stick/north.kpb"),
        ("refused", ""),
    ]
    page = as_level(served, Level.DEPLOY).get("/ui/media").body.decode()
    assert "sudo kelvin-provision bundle import /media/stick/north.kpb" in page
    assert "&lt;i&gt;no&lt;/i&gt;" in page
    assert "Signed by anna (0123456789ab), whom this box trusts." in page


def test_an_uploaded_bundle_says_who_signed_it_and_what_it_brings_and_nothing_is_stored(box, served, bundle):
    identifier = uploaded(served, bundle.data, hashed=True)
    before = box.states()
    answer = inspected(served, f"{UPLOADS}/{identifier}")
    assert answer.status == 200, answer.body
    valid(answer, f"{UPLOADS}/{{upload}}/inspect", "post")
    document = answer.json
    assert (document["digest"], document["name"], document["signatures"]["trusted"]) == (bundle.digest, "line-3", False)
    assert [request["workloads"] for request in document["requests"]] == [[{"name": "motor", "version": "1.0.0"}]]
    assert bundle.digest.partition(":")[2] in document["warnings"][0]
    assert box.states() == before
    assert inspected(served, f"{UPLOADS}/{identifier}", {"expect": bundle.digest.partition(":")[2]}).json["signatures"]["expected"]
    other = inspected(served, f"{UPLOADS}/{identifier}", {"expect": f"sha256:{'0' * 64}"})
    assert (other.status, other.error["name"]) == (400, "expected-other")


@pytest.mark.slow
def test_an_upload_that_is_not_what_was_announced_is_named(served, bundle):
    wrong = announce(served, bundle.data, sha256="0" * 64)["id"]
    early = inspected(served, f"{UPLOADS}/{wrong}")
    assert (early.status, early.error["name"], early.error["payload"]) == (409, "upload-unfinished", {"offset": 0})
    put(served, wrong, 0, bundle.data)
    answer = inspected(served, f"{UPLOADS}/{wrong}")
    assert (answer.status, answer.error["name"]) == (400, "bundle-damaged")
    assert answer.error["solution"] == "remove the upload, and send the file again"
    nothing = uploaded(served, b"no bundle" * 10_000, name="other")
    answer = inspected(served, f"{UPLOADS}/{nothing}")
    assert (answer.status, answer.error["name"]) == (400, "bundle-invalid")


@pytest.mark.slow
def test_every_byte_is_read_and_a_bad_place_is_named(served, bundle):
    good, bad = uploaded(served, bundle.data), bytearray(bundle.data)
    bad[bundle.contents.blobs[-1].offset] ^= 1
    for identifier, count in ((good, 0), (uploaded(served, bytes(bad), name="bad"), 1)):
        answer = inspected(served, f"{UPLOADS}/{identifier}", what="verify")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-json-stream"), answer.body
        last = json.loads(answer.body.splitlines()[-1])["result"]
        assert (last["digest"], last["chunks"]["bad"], len(last["bad"])) == (bundle.digest, count, count)
        valid(replace(answer, body=answer.body.splitlines()[-1]), f"{UPLOADS}/{{upload}}/verify", "post")


@pytest.mark.slow
def test_a_stick_in_the_box_is_listed_and_verified_by_its_digest(served, media, bundle):
    bundle.write(media / "anna" / "STICK")
    (media / "broken.kpb").write_bytes(b"x")
    answer = served.get(MEDIA, Level.DEPLOY)
    valid(answer, MEDIA)
    broken, good = sorted(answer.json["bundles"], key=lambda each: each["name"])
    assert (broken["digest"], "broken.kpb" in broken["error"]) == (None, True)
    assert (good["digest"], good["folder"], good["size"]) == (bundle.digest, str(media / "anna" / "STICK"), len(bundle.data))
    answer = inspected(served, f"{MEDIA}/{bundle.digest}")
    assert (answer.status, answer.json["digest"]) == (200, bundle.digest)
    answer = inspected(served, f"{MEDIA}/sha256:{'0' * 64}")
    assert (answer.status, answer.error["name"]) == (404, "bundle-missing")


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "sha256:..%2F", "%2Fetc%2Fpasswd", "sha256:" + "A" * 64, "sha512:" + "0" * 128])
def test_no_path_comes_from_afar(quiet, name):
    answer = quiet.post(f"{MEDIA}/{name}/inspect", level=Level.DEPLOY)
    assert (answer.status, answer.error["name"] in {"bad-query", "route-unknown"}) == (
        400 if answer.error["name"] == "bad-query" else 404,
        True,
    )


# --- media ------------------------------------------------------------------------------------------


def test_only_folders_of_the_site_are_looked_at_and_no_link_is_followed(tmp_path, media, bundle):
    bundle.write(tmp_path / "secret")
    (media / "link").symlink_to(tmp_path / "secret")
    (media / "file.kpb").symlink_to(tmp_path / "secret" / "line-3.kpb")
    os.mkfifo(media / "pipe.kpb")
    (listed_pipe, listed_link) = sorted(on_media([media]), key=lambda each: each.files.name == "file")
    assert "is not a regular file" in listed_pipe.error
    assert "links are not followed" in listed_link.error
    with pytest.raises(BundleMissing):
        place_of([media], bundle.digest)
    assert place_of([tmp_path / "secret"], bundle.digest).name == "line-3.kpb"


def test_deep_and_crowded_media_are_looked_at_within_limits(media, bundle):
    bundle.write(media / "/".join("abc"[:DEEPEST]))
    bundle.write(media / "a" / "b" / "c" / "d")
    bundle.write(media / ".hidden")
    assert [each.digest for each in on_media([media, media / "absent"])] == [bundle.digest]


def test_a_part_without_the_table_of_contents_is_listed_without_a_digest(media):
    made = make({"r.io/motor:1.0.0": make_image([os.urandom(9 << 20)])}, part_size=4 << 20, name="big")
    paths = made.write(media)
    assert len(paths) > 2
    paths[0].unlink()
    (listed,) = on_media([media])
    assert (listed.to_json()["digest"], listed.to_json()["parts"]) == (None, [*range(2, len(paths) + 1)])


# --- pages ------------------------------------------------------------------------------------------


def test_a_page_sends_a_file_in_chunks_under_its_session_and_goes_on_after_a_reload(api, box):
    browser = as_level(api, Level.DEPLOY)
    announced = {"name": "<b>line-3</b>.kpb", "size": 10, "mark": "1732792000"}

    def begin():
        return browser.client.ask("POST", "/ui/uploads", body=announced, headers=browser.headers({"Content-Type": "application/json"}))

    answer = begin()
    assert (answer.status, answer.json["by"]) == (201, "deploy")
    where = f"/ui/uploads/{answer.json['id']}"
    put = lambda offset, data: browser.client.ask("PUT", where, body=data, headers=browser.headers({"Upload-Offset": str(offset)}))  # noqa: E731
    assert (put(0, b"hello").status, put(0, b"hello").headers["upload-offset"]) == (204, "5")
    text = browser.get("/ui/uploads").body.decode()
    assert "&lt;b&gt;line-3&lt;/b&gt;.kpb" in text
    assert "5 B of 10 B is here. Choose the same file again to go on." in text
    assert where not in text.replace(f"{where}/remove", ""), "nothing to look into yet"
    answer = browser.get(where)
    assert (answer.status, "The upload is not complete." in answer.body.decode()) == (409, True)
    assert (begin().status, begin().json["offset"]) == (200, 5)
    assert put(5, b"world").status == 204
    assert f'href="{where}"' in browser.get("/ui/uploads").body.decode()
    assert browser.post(f"{where}/remove").headers["location"] == "/ui/uploads"
    assert Uploads(box.settings.state_dir).all() == ()
    assert 'href="/ui/uploads"' not in as_level(api, Level.OPERATE).get("/ui/").body.decode()


@pytest.mark.slow
def test_pages_show_what_is_in_a_bundle_before_anything_is_staged(served, media, bundle):
    identifier = uploaded(served, bundle.data)
    bundle.write(media / "STICK")
    browser = as_level(served, Level.DEPLOY)
    listed = browser.get("/ui/media").body.decode()
    assert f'href="/ui/media/{bundle.digest}"' in listed
    for where in (f"/ui/uploads/{identifier}", f"/ui/media/{bundle.digest}"):
        answer = asked(browser.get, where)
        text = plain(answer.body.decode())
        assert (answer.status, "Not signed. Compare the digest" in text, bundle.digest.partition(":")[2] in text) == (200, True, True)
        assert "motor 1.0.0" in text
        assert "Its images are downloaded; it waits for an activation." in text
        assert "127.0.0.1:1/motor" in text
    german = asked(browser.get, f"/ui/media/{bundle.digest}", {"Accept-Language": "de"}).body.decode()
    assert "Nicht signiert." in german


def test_an_upload_from_which_something_is_to_be_staged_is_not_removed(box, api, bundle):
    identifier = uploaded(api, bundle.data)
    carry_out(box.ctx, plan(box.ctx, ImportRequest((Uploads(box.settings.state_dir).content(identifier),))))
    answer = api.ask("DELETE", f"{UPLOADS}/{identifier}", token=api.as_level(Level.DEPLOY))
    assert (answer.status, answer.error["name"]) == (409, "upload-busy")
    assert "it is removed by itself" in plain(as_level(api, Level.DEPLOY).get("/ui/uploads").body.decode())
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET download = 'ready' WHERE bundle IS NOT NULL")
    assert api.ask("DELETE", f"{UPLOADS}/{identifier}", token=api.as_level(Level.DEPLOY)).status == 204


# --- imports ----------------------------------------------------------------------------------------


def imported(served, where, body=None):
    """The end of an import, asked for as often as it takes."""
    answers = []

    def ended():
        answers.append(served.post(f"{where}/import", body, Level.DEPLOY))
        return answers[-1].status not in {202, 503}

    until(ended)
    return answers[-1]


@pytest.mark.slow
def test_an_uploaded_bundle_is_staged_once_and_removed_when_all_of_it_is_on_the_box(box, served, bundle):
    identifier = uploaded(served, bundle.data)
    where = f"{UPLOADS}/{identifier}"
    plan = inspected(served, where).json
    assert (plan["obstacle"], [workload["name"] for workload in plan["import"]["workloads"]]) == (None, ["motor"])
    answer = imported(served, where)
    assert answer.status == 200, answer.body
    valid(answer, f"{UPLOADS}/{{upload}}/import", "post")
    assert answer.json["accepted"] == [{"workload": "motor", "revision": 1}]
    assert imported(served, where).json == answer.json, "sent again"
    assert len([line for line in history.history(box.ledger) if line.action == "bundle import"]) == 1
    (line,) = [line for line in history.history(box.ledger) if line.action == "bundle import"]
    assert (line.who, bundle.digest in line.detail) == ("deploy@127.0.0.1 via api", True)
    until(lambda: box.ledger.workload("motor").staged.download is Download.READY)
    until(lambda: Uploads(box.settings.state_dir).all() == ())
    assert imported(served, where).json == answer.json, "sent again when the upload is gone"
    assert imported(served, where, {"allow_older": True}).status == 404, "another request"


_MOTOR = {"127.0.0.1:1/motor:1.0.0": make_image([tar_of({"a": b"motor"})], compress=False)}
_ZIPS = {
    "package": lambda request: package(_MOTOR, request)[1],
    "zip of another program": lambda request: foreign_zips.zipped({"a.tar": foreign_zips.saved(_MOTOR), "workload.json": request}),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", _ZIPS)
def test_an_uploaded_zip_is_staged_and_removed_as_a_bundle_is(box, served, form):
    identifier = uploaded(served, _ZIPS[form](json.dumps(deployable()).encode()), name="motor.zip")
    where = f"{UPLOADS}/{identifier}"
    plan = inspected(served, where).json
    assert (plan["obstacle"], plan["signatures"]["trusted"]) == (None, False)
    answer = imported(served, where, {"expect": plan["digest"]})
    assert (answer.status, answer.json["accepted"]) == (200, [{"workload": "motor", "revision": 1}]), answer.body
    until(lambda: box.ledger.workload("motor").staged.download is Download.READY)
    until(lambda: Uploads(box.settings.state_dir).all() == ())


@pytest.mark.slow
def test_a_stick_is_imported_by_its_digest_and_stays_as_it_is(box, served, media, bundle):
    bundle.write(media / "STICK")
    answer = imported(served, f"{MEDIA}/{bundle.digest}", {"expect": bundle.digest})
    assert (answer.status, answer.json["signatures"]["expected"]) == (200, True)
    until(lambda: box.ledger.workload("motor").staged.download is Download.READY)
    assert (media / "STICK" / "line-3.kpb").read_bytes() == bundle.data


@pytest.mark.slow
def test_images_alone_are_copied_and_nothing_is_staged(box, served, bundle):
    identifier = uploaded(served, bundle.data)
    answer = imported(served, f"{UPLOADS}/{identifier}", {"images_only": True})
    assert (answer.status, answer.json["accepted"], len(answer.json["kept_images"])) == (200, [], 1)
    until(lambda: Uploads(box.settings.state_dir).all() == ())
    assert "motor" not in box.states()


@pytest.mark.slow
def test_what_prevents_an_import_is_said_before_and_stores_nothing(box, served, media):
    other = make({"r.io/motor:1.0.0": make_image([tar_of({"a": b"motor"})])}, name="other", boxes=("line-9",))
    other.write(media)
    where = f"{MEDIA}/{other.digest}"
    plan = inspected(served, where)
    valid(plan, f"{MEDIA}/{{bundle}}/inspect", "post")
    assert (plan.json["import"], plan.json["obstacle"]["name"]) == (None, "bundle-unsuitable")
    answer = imported(served, where)
    assert (answer.status, answer.error["name"]) == (400, "bundle-unsuitable")
    text = as_level(served, Level.DEPLOY).get(f"/ui/media/{other.digest}").body.decode()
    assert "It cannot be staged on this box:" in text
    assert "/stage" not in text
    assert box.ledger.bundles() == ()


@pytest.mark.slow
def test_an_older_bundle_is_staged_only_by_who_says_so(box, served, media):
    image = {"127.0.0.1:1/motor:1.0.0": make_image([tar_of({"a": b"motor"})])}
    newer, older = (make(image, [json.dumps(deployable()).encode()], name="line-3", serial=serial) for serial in (2, 1))
    for bundle in (newer, older):
        bundle.write(media / str(bundle.contents.serial))
    assert imported(served, f"{MEDIA}/{newer.digest}").status == 200
    where, page = f"{MEDIA}/{older.digest}", f"/ui/media/{older.digest}"
    plan = inspected(served, where)
    valid(plan, f"{MEDIA}/{{bundle}}/inspect", "post")
    assert plan.json["import"]["older"] == {"name": "line-3", "serial": 2}
    answer = imported(served, where)
    assert (answer.status, answer.error["name"]) == (400, "bundle-older")
    browser = as_level(served, Level.DEPLOY)
    text = asked(browser.get, page).body.decode()
    assert "bundle line-3 with serial 2 was imported before, and this one has serial 1" in plain(text)
    assert 'name="allow_older" value="yes" required' in text
    assert "is not the newest" in plain(asked(browser.post, f"{page}/stage").body.decode())
    assert asked(browser.post, f"{page}/stage", {"allow_older": "yes"}).headers["location"] == "/ui/"
    assert imported(served, where, {"allow_older": True}).status == 200
    assert history.history(box.ledger)[-1].detail.endswith(", older than serial 2")


@pytest.mark.slow
def test_a_person_stages_what_was_shown(box, served, bundle):
    identifier = uploaded(served, bundle.data)
    browser = as_level(served, Level.DEPLOY)
    text = browser.get(f"/ui/uploads/{identifier}").body.decode()
    assert f'action="/ui/uploads/{identifier}/stage"' in text
    assert browser.post(f"/ui/uploads/{identifier}/stage").headers["location"] == "/ui/"
    (line,) = [line for line in history.history(box.ledger) if line.action == "bundle import"]
    assert line.who == "deploy@127.0.0.1 via ui"


def test_an_import_is_begun_once_and_its_end_is_heard_by_all_who_ask():
    asyncio.run(_imports())


async def _imports():
    imports, begun, told, gate, valid_still = Imports(), [], [], asyncio.Event(), True

    async def begin():
        begun.append(1)
        await gate.wait()
        if len(begun) == 3:
            raise Locked("busy")
        return "done"

    async def stands(_result):
        return valid_still

    def ask(patience=0.01):
        return imports.result("key", begin, stands, told.append, patience)

    assert [await ask(), await ask()] == [None, None]
    gate.set()
    assert [await ask(1), await ask(1), len(begun)] == ["done", "done", 1]
    valid_still = False
    assert (await ask(1), len(begun)) == ("done", 2)
    gate.clear()
    assert await ask() is None
    gate.set()
    await asyncio.sleep(0.01)
    assert told == ["busy"], "who asked first has gone"
    assert (await ask(1), len(begun)) == ("done", 4), "what failed is tried again"


@pytest.mark.slow
def test_the_first_bundle_of_a_box_without_workloads_needs_no_agent_that_runs_already(tmp_path, bundle):
    """Real processes: an agent that has nothing to do waits for what it was started for, and for the next question."""
    state = tmp_path / "state"
    api = ApiProcess(state, environment(tmp_path), tmp_path)
    try:
        where = f"{UPLOADS}/{uploaded(api.client, bundle.data)}"
        assert inspected(api.client, where).json["digest"] == bundle.digest
        first = process.alive(state)["pid"]
        assert imported(api.client, where).json["accepted"] == [{"workload": "motor", "revision": 1}]
        assert process.alive(state)["pid"] == first
    finally:
        api.end()
        if agent := process.alive(state):
            os.kill(agent["pid"], signal.SIGTERM)
            until(lambda: not process.alive(state))


@pytest.mark.slow
def test_trust_documents_come_with_an_upload_and_the_page_says_what_they_change(box, served, media, tmp_path):
    anna, bert = key_pair(), key_pair(name="bert")
    (public,) = trusting(tmp_path, anna).keys
    (tmp_path / "site.yaml").write_text(f"media: {{folders: [{media}]}}\ntrust: {{keys: [{public}]}}\n")
    alone = make(name="trust-1", trust=(signed(trust_document(1, bert, revoked=[anna]), anna, bert),))
    identifier = uploaded(served, alone.data)
    text = plain(asked(as_level(served, Level.DEPLOY).get, f"/ui/uploads/{identifier}").body.decode())
    assert "It changes whose signatures this box trusts: trust document 1, signed by anna" in text
    assert "Not signed" not in text
    answer = imported(served, f"{UPLOADS}/{identifier}")
    assert (answer.status, answer.json["trust"]["new"][0]["number"], answer.json["accepted"]) == (200, 1, []), answer.body
    valid(answer, f"{UPLOADS}/{{upload}}/import", "post")
    assert (box.ledger.newest_trust().number, box.ledger.newest_trust().actor) == (1, "deploy@127.0.0.1 via api")
