"""Every page at every size, in both languages: nothing is wider than the screen, nothing too small for a finger, and no word of a button is broken."""

import re

import pytest

from kelvin_provision.api.ui.table import PAGES
from tests.kit.api import PASSWORD
from tests.kit.browser import as_level
from tests.kit.chromium import SMALL, WITH_CHROMIUM, chromium  # noqa: F401  (a fixture)
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
    for (const each of document.querySelectorAll('button, .button, .sign, thead th, nav a')) {
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


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_fits_every_screen_in_every_language(chromium, api, language):  # noqa: F811
    context = chromium.new_context(base_url=api.url, locale=language, extra_http_headers={"Accept-Language": language})
    page = context.new_page()
    trouble = {}

    def look(where):
        assert page.evaluate("document.documentElement.lang") == language
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            seen = page.evaluate("document.documentElement.scrollWidth > innerWidth"), page.evaluate(SMALL), page.evaluate(BROKEN)
            if any(seen):
                trouble[where, width] = seen

    page.goto("/ui/login")
    look("/ui/login")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("table.workloads")
    for where in pages():
        page.goto(where)
        look(where)
    context.close()
    assert trouble == {}
