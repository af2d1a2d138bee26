"""The pictures of the documents: `python -m tests.screenshots [FOLDER]`. A real browser and a real terminal, on a box that is made for them."""

import io
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from kelvin_provision.api.ui import rendering
from tests.kit.api import PASSWORD
from tests.kit.chromium import CHROMIUM, PHONE
from tests.kit.png import smaller
from tests.kit.waiting import until
from tests.scene import scene

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
LARGEST = 60_000
"""Bytes of a picture: a clone has all of them, of every commit."""
LAPTOP = {"width": 960, "height": 760}
TERMINAL = 104, 24
BOX = "edge-07"
COMMANDS = ("kelvin-provision workloads list", "kelvin-provision workloads history --limit 3")
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, monospace; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
"""That of rich without its font, which it has from another host."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, scene(Path(place)) as (box, api), sync_playwright() as playwright:
        rendering.environment().globals["box"] = BOX
        (folder / "terminal.svg").write_text(terminal(Path(place)), "utf-8")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with page(chromium, api, LAPTOP, "dark") as laptop:
            shot(laptop, folder / "list-laptop.png")
        with page(chromium, api, PHONE, "light", "de") as phone:
            shot(phone, folder / "list-german.png")
        with page(chromium, api, PHONE, "light") as phone:
            story(box, phone, folder)
        chromium.close()


def story(box, phone, folder: Path) -> None:
    """Activate, follow, and read why one failed."""
    phone.goto("/ui/workloads/opcua-bridge")
    shot(phone, folder / "failed.png")
    phone.goto("/ui/activate?name=motor-speed")
    shot(phone, folder / "activate.png")
    phone.click("form button.main")
    phone.wait_for_selector(".state .ok")
    shot(phone, folder / "operation.png")


@contextmanager
def page(chromium, api, view, scheme, language="en"):
    """Of a person who has logged in."""
    context = chromium.new_context(viewport=view, base_url=api.url, color_scheme=scheme, extra_http_headers={"Accept-Language": language})
    opened = context.new_page()
    opened.goto("/ui/login")
    opened.fill("[name=username]", "operate")
    opened.fill("[name=password]", PASSWORD)
    opened.click("main button")
    opened.wait_for_selector("table.workloads")
    yield opened
    context.close()


def shot(opened, path: Path) -> None:
    path.write_bytes(smaller(opened.screenshot()))
    assert path.stat().st_size <= LARGEST, f"{path} has {path.stat().st_size} bytes"


def terminal(place: Path) -> str:
    """What tmux shows after these commands, as SVG."""
    columns, lines = TERMINAL
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PS1": "$ ",
        "KELVIN_PROVISION_STATE_DIR": str(place / "state"),
        "KELVIN_PROVISION_SITE_CONFIG": str(place / "none.yaml"),
    }

    def tmux(*words):
        command = ["tmux", "-S", str(place / "tmux"), "-f", "/dev/null", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), "bash", "--norc", "--noprofile")
    try:
        for number, command in enumerate(COMMANDS, 1):
            tmux("send-keys", command, "Enter")
            until(lambda number=number: _prompts(tmux("capture-pane", "-p")) == number + 1)
        time.sleep(0.2)
        text = tmux("capture-pane", "-e", "-p").rstrip().removesuffix("$").rstrip()
    finally:
        tmux("kill-server")
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=True)
    return console.export_svg(title=f"root@{BOX}", code_format=SVG)


def _prompts(text):
    return sum(line.startswith("$") for line in text.splitlines())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
