"""A bundle from a telephone to the box, in a real browser: cut off, reloaded, chosen again; then what is in it."""

import json
import random

import pytest

from kelvin_provision.uploads.folder import Uploads
from tests.kit.bundle_box import media, served
from tests.kit.bundles import make
from tests.kit.chromium import LAPTOP, PHONE, WITH_CHROMIUM, chromium, person, sync_api
from tests.kit.images import make_image
from tests.kit.requests import deployable
from tests.kit.waiting import until

__all__ = ["chromium", "media", "person", "served"]
pytestmark = [pytest.mark.slow, WITH_CHROMIUM]


@pytest.fixture
def large():
    """Some MiB, in three parts."""
    layer = random.Random(5).randbytes(9 << 20)  # noqa: S311  (no secret)
    return make(
        {"127.0.0.1:1/motor:1.0.0": make_image([layer], level=0)}, [json.dumps(deployable()).encode()], name="line-3", part_size=4 << 20
    )


def test_a_bundle_is_sent_through_a_lost_connection_and_a_reload(box, served, person, large, tmp_path):
    paths = large.write(tmp_path / "downloads")
    assert len(paths) == 3
    who = person(PHONE)
    who.login("deploy")
    who.press("link", "Bundles")
    who.page.get_by_label("File, or all parts of it").wait_for()
    who.look("uploads")
    count = 0

    def cut(route):
        nonlocal count
        count += route.request.method == "PUT"
        if count == 2:
            route.abort()
        elif count < 5 or route.request.method != "PUT":
            route.continue_()  # the fifth chunk hangs

    who.page.route("**/ui/uploads/*", cut)
    send(who, reversed(paths))
    sync_api.expect(who.page.locator("#upload [role=status]")).to_contain_text("No connection to this box. It goes on by itself.")
    sync_api.expect(who.page.locator("#upload [role=status]")).to_contain_text("% is on the box.")
    while count < 5:
        who.page.wait_for_timeout(50)
    who.page.unroute("**/ui/uploads/*")
    who.errors.clear()  # the browser tells of the lost connection
    who.page.reload()
    sync_api.expect(who.page.locator("main")).to_contain_text("Choose the same file again to go on.")
    (begun,) = Uploads(box.settings.state_dir).all()
    assert 0 < begun.offset < len(large.data)
    who.look("upload-half")
    send(who, paths)
    sync_api.expect(who.page.get_by_role("heading", name="line-3")).to_be_visible()
    (complete,) = Uploads(box.settings.state_dir).all()
    assert (complete.id, complete.complete) == (begun.id, True)
    sync_api.expect(who.page.locator("main")).to_contain_text(large.digest.partition(":")[2])
    sync_api.expect(who.page.locator("main")).to_contain_text("motor 1.0.0")
    who.look("bundle")
    who.press("button", "Stage")
    sync_api.expect(who.row("motor")).to_contain_text("Ready")
    until(lambda: Uploads(box.settings.state_dir).all() == ())


def send(who, paths):
    who.page.get_by_label("File, or all parts of it").set_input_files([str(path) for path in paths])
    who.press("button", "Send")


def test_without_javascript_the_page_says_what_else_can_be_done_and_a_stick_is_looked_into(served, person, large, media):
    large.write(media / "STICK")
    who = person(LAPTOP, script=False)
    who.login("deploy")
    who.page.goto("/ui/uploads")
    sync_api.expect(who.page.locator("main")).to_contain_text("Sending a file needs JavaScript.")
    who.press("link", "Look for sticks in the box")
    who.look("media")
    who.press("link", "line-3")
    sync_api.expect(who.page.locator("main")).to_contain_text("Not signed.")
    who.look("bundle-on-stick")
