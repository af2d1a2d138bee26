"""A person with a browser: Debian's Chromium without a screen, driven by Playwright. Import both fixtures."""

import os
import shutil
from pathlib import Path

import pytest

from tests.kit.api import PASSWORD
from tests.kit.waiting import PATIENCE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is absent")
axe = pytest.importorskip("axe_playwright_python", reason="axe-core is absent")
AXE = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
CHROMIUM = shutil.which("chromium")
WITH_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="chromium is absent")
PICTURES = os.environ.get("KELVIN_PROVISION_TEST_PICTURES")
"""A folder for pictures of what was seen."""

PHONE, LAPTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
SMALL = """[...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]
    .filter(each => !each.closest('.skip') && each.getClientRects().length && each.getBoundingClientRect().height < 43.5)
    .map(each => each.outerHTML)"""
# A busy machine is slow; five seconds, the default, are one turn of a page without script.
sync_api.expect.set_options(timeout=1000 * PATIENCE)
BOX = os.uname().nodename.lower()
VIOLATIONS = "window.violations = []; addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI + event.violatedDirective))"


@pytest.fixture(scope="module")
def chromium():
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", f"--host-resolver-rules=MAP {BOX} 127.0.0.1"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Person:
    """One tab, which collects requests to other hosts, violations of the policy, and errors of the script."""

    def __init__(self, chromium, api, view, *, script=True, url=None):
        """A certificate that no browser knows is accepted, as a person does who has compared its fingerprint."""
        self.url, self.name = url or api.url, f"{view['width']}{'' if script else '-noscript'}"
        self.context = chromium.new_context(viewport=view, java_script_enabled=script, base_url=self.url, ignore_https_errors=True)
        self.foreign, self.errors, self.script = [], [], script
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("request", lambda request: None if request.url.startswith((self.url, "data:")) else self.foreign.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        if script:
            self.page.add_init_script(VIOLATIONS)

    def _hear(self, message):
        """Without TLS, a browser complains about one of the headers."""
        if message.type == "error" and not message.text.startswith("The Cross-Origin-Opener-Policy header has been ignored"):
            self.errors.append(message.text)

    def look(self, label):
        """In the light and in the dark: nothing is wider than the screen, targets are large enough, axe finds nothing, the policy was kept."""
        assert self.foreign == []
        assert self.errors == []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            if PICTURES:
                self.page.screenshot(path=Path(PICTURES) / f"{label}-{self.name}-{scheme}.png", full_page=True)
            if self.script:
                self._measure()

    def _measure(self):
        assert self.page.evaluate("violations") == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert self.page.evaluate(SMALL) == []
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run().then(result => result.violations)")
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in {"serious", "critical"}] == []

    def login(self, level="operate"):
        self.page.goto("/")
        self.look("login")
        self.fill_in(level)
        self.page.get_by_role("heading", name="Workloads").wait_for()

    def fill_in(self, level):
        """The form of the login, wherever it came up."""
        self.page.get_by_label("User").fill(level)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()

    def press(self, role, name):
        self.page.get_by_role(role, name=name).first.click()

    def row(self, name):
        return self.page.locator(f"#w-{name}")

    def status(self):
        return self.page.get_by_role("status").first


@pytest.fixture
def person(chromium, served):
    """Makes people; `served` has the `url` of what they look at."""
    people = []

    def make(*words, **named):
        people.append(Person(chromium, served, *words, **named))
        return people[-1]

    yield make
    for each in people:
        each.context.close()
