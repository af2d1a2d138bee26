"""Every page at every size, in both languages: nothing is too wide, too small for a finger or glued together, no word is broken, no icon missing."""

import re
from contextlib import closing

import pytest

from kelvin_provision.api.ui.table import PAGES
from kelvin_provision.following.taking import take_all
from kelvin_provision.ledger.nodes import reports
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.settings.model import FollowSettings
from kelvin_provision.trust import computing
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.api import PASSWORD
from tests.kit.browser import as_level
from tests.kit.chromium import SMALL, WITH_CHROMIUM, chromium  # noqa: F401  (a fixture)
from tests.kit.leader import Leader
from tests.kit.publishing import publish, request
from tests.kit.signing import computed_here, key_pair, trusting
from tests.kit.waiting import until
from tests.scene import scene

pytestmark = [pytest.mark.slow, WITH_CHROMIUM]
SIZES = [(320, 640), (360, 740), (1280, 800), (3840, 2160)]
CONCRETE = {"{workload_name}": "motor-speed", "{order}": "1", "{upload}": "absent", "{bundle}": "absent", "{user}": "operate"}
QUERIES = {
    "/ui/activate": ("", "?name=motor-speed"),
    "/ui/stop": ("?name=pump-control",),
    "/ui/start": ("?name=boiler-feed",),
    "/ui/undo": ("?name=motor-speed",),
    "/ui/undeploy": ("?name=motor-speed",),
    "/ui/undeploy-staged": ("?name=motor-speed",),
}
OTHERS = ("/ui/workloads/opcua-bridge", "/ui/workloads/vibration", "/ui/nothing")
NO_PAGES = {
    "/", "/ui", "/ui/assets/{digest}/{name}", "/ui/box/inventory", "/ui/events", "/ui/login", "/ui/workloads/{workload_name}/logs.txt",
}  # fmt: skip
BROKEN = """() => {
    const broken = [];
    for (const each of document.querySelectorAll('button, .button, .sign, thead th, nav a, .history td:last-child')) {
        if (each.closest('thead')?.clientWidth <= 1) continue; // for screen readers only
        const texts = document.createTreeWalker(each, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode()); ) for (const word of text.data.matchAll(/[\\p{L}]+/gu)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
        }
    }
    return broken;
}"""


GLUED = """() => {
    const glued = [], inside = /^(A|CODE|SPAN|STRONG|TIME)$/;
    const edge = (node, last) => { const text = node.textContent; return last ? text.slice(-1) : text.slice(0, 1); };
    for (const each of document.querySelectorAll('main a, main code, main span, main strong, main time')) {
        const before = each.previousSibling;
        if (!before || before.nodeType !== Node.TEXT_NODE && !inside.test(before.nodeName)) continue;
        if ([before, each].some(one => one.nodeType === Node.ELEMENT_NODE && getComputedStyle(one).display === 'block')) continue;
        if (/[\\p{L}\\p{N}.,:;)]/u.test(edge(before, true)) && /[\\p{L}\\p{N}]/u.test(edge(each, false).trim()))
            glued.push(before.textContent + '|' + each.textContent);
    }
    return glued;
}"""
SHAPELESS = "() => [...document.querySelectorAll('use')].filter(each => !document.querySelector(each.getAttribute('href'))).map(each => each.outerHTML)"
"""Icons that are not in the sprite: a gap in place of a shape."""


def pages():
    """Every page of the table."""
    paths = [page.path for page in PAGES if page.method == "GET" and page.path not in NO_PAGES]
    concrete = [re.sub(r"{\w+}", lambda match: CONCRETE[match[0]], path) for path in paths]
    return [path + query for path in concrete for query in QUERIES.get(path, ("",))] + [*OTHERS]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with scene(tmp_path_factory.mktemp("scene")) as (box, client):
        assert as_level(client, "operate").post("/ui/stop", {"targets": "boiler-feed=1"}).status == 303
        until(lambda: box.states()["boiler-feed"][0] == "stopped")
        yield client


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A leader: one member is away, one has no space, and of two publications one is not taken in."""
    folder = tmp_path_factory.mktemp("site")
    anna, otto = key_pair(), key_pair(name="otto")
    follow = FollowSettings(("r.io/fleet/site:stable", "r.io/fleet/line-3:stable"))
    with closing(Leader(folder / "state", follow=follow, trust=trusting(folder, anna))) as box, pytest.MonkeyPatch.context() as patch:
        patch.setattr(computing, "computed", computed_here)
        box.join("node-b", "hall-2-spare")
        box.deploy("pump")
        publish(box, follow.publications[0], anna, 3, request("fan"), request("lamp"))
        publish(box, follow.publications[1], otto, 1, request("belt"))
        take_all(box.ctx, ())
        publish(box, follow.publications[0], anna, 4, request("fan"), withdrawn=("lamp",))
        take_all(box.ctx, follow.publications[:1])
        box.turn()
        lacking = [image for name in ("pump", "fan") for image in box.images(name)]
        box.report("hall-2-spare", *lacking, state=NodeImageState.FAILED, why="no space left on device: 1.2 GiB needed, 310 MiB free")
        reports.silent(box.ledger, ["node-b"], "2026-11-28T12:00:00Z")
        box.turn()
        with serving_beside_agent(box) as client:
            yield client


def person(chromium, api, language):  # noqa: F811
    context = chromium.new_context(base_url=api.url, locale=language, extra_http_headers={"Accept-Language": language})
    page = context.new_page()
    page.goto("/ui/login")
    return context, page


def login(page):
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("table.workloads")


def troubles(page):
    """What is wrong with this page, by the width at which it is."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    seen = {"glued": page.evaluate(GLUED), "shapeless": page.evaluate(SHAPELESS)}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        seen[width, "wide"] = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        seen[width, "small"], seen[width, "broken"] = page.evaluate(SMALL), page.evaluate(BROKEN)
    return {what: found for what, found in seen.items() if found}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_fits_every_screen_in_every_language(chromium, api, language):  # noqa: F811
    context, page = person(chromium, api, language)
    found = {"/ui/login": troubles(page)}
    login(page)
    for where in pages():
        page.goto(where)
        assert page.evaluate("document.documentElement.lang") == language
        found[where] = troubles(page)
    context.close()
    assert {where: each for where, each in found.items() if each} == {}


@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_of_a_leader_that_follows_fit_and_name_what_is_wrong_on_the_first_one(chromium, site, language):  # noqa: F811
    context, page = person(chromium, site, language)
    login(page)
    banner = page.inner_text("#box")
    for text in ("node-b", "hall-2-spare", "no space left on device", "line-3:stable was not taken in", "lamp is withdrawn"):
        assert text in banner
    assert page.locator("progress").count() == 0, "nothing is downloaded: other nodes are waited for"
    found = {}
    for where in ("/ui/", "/ui/workloads/pump", "/ui/box", "/ui/box/images", "/ui/workloads/fan", "/ui/history"):
        page.goto(where)
        found[where] = troubles(page)
    context.close()
    assert {where: each for where, each in found.items() if each} == {}
