"""The console in a browser: by keyboard alone, with nothing from elsewhere, and readable."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from broker.auth import Authenticator
from broker.service.app import create_app
from broker.service.context import Broker, Settings

from ...population import Town
from ..hospital import KEYS, Hospital

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def address(hospital: Hospital, town: Town) -> Iterator[str]:
    """Where a hospital with two deliveries answers, on a loopback address."""
    if hospital.store.location.is_sqlite is False:
        pytest.skip("pages are the same on either database")
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(Broker(hospital.store, KEYS, Authenticator(), Settings(url)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield url
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Desk:
    """A window, and what its console and network say."""

    def __init__(self, browser, address: str, **how) -> None:
        self.address = address
        self.page = browser.new_context(**how).new_page()
        self.said: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url))

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}/console/{path}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, name: str, *, most: int = 80) -> None:
        """Press the tabulator until something of that name has the focus, which must be seen."""
        focused = (
            "document.activeElement?.labels?.[0]?.textContent || document.activeElement?.textContent || ''"
        )
        for _ in range(most):
            self.press("Tab")
            if self.page.evaluate(focused).strip().startswith(name):
                outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", name
                return
        raise AssertionError(f"the keyboard does not get to {name!r}")

    def sign_in(self, token: str) -> None:
        self.go("sign-in")
        self.tab_to("API token")
        self.page.keyboard.insert_text(token)
        self.press("Enter")
        self.page.wait_for_url("**/console/")

    def close(self) -> None:
        self.page.context.close()
        assert self.said == []
        assert all(url.startswith((self.address, "data:")) for url in self.asked), self.asked


def test_a_run_by_keyboard_alone(chromium, address: str, hospital: Hospital):
    desk = Desk(chromium, address)
    page = desk.page
    desk.sign_in(hospital.tokens["stella"])
    desk.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    desk.press("Enter", "Tab")
    assert page.evaluate("document.activeElement.textContent") == "Start a run: Start a run"
    desk.press("Enter")
    page.wait_for_url("**/runs/new")
    desk.tab_to("Start the run")
    desk.press("Enter")
    page.wait_for_url("**/console/jobs/*")
    assert page.locator("#job .state").inner_text().strip() == "queued"
    hospital.work()
    # The script finds out by itself; nobody loads the page again.
    page.wait_for_selector("text=Open the run", timeout=15_000)
    assert page.locator("#job .state").inner_text().strip() == "done"
    desk.tab_to("Open the run")
    desk.press("Enter")
    page.wait_for_url("**/console/runs/*")
    assert page.locator(".histogram svg").count() == 1
    desk.tab_to("Sign out")
    desk.press("Enter")
    page.wait_for_url("**/console/sign-in")
    desk.close()


def test_progress_without_a_script(chromium, address: str, hospital: Hospital):
    job = hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json={}).json()["id"]
    desk = Desk(chromium, address, java_script_enabled=False)
    desk.go("sign-in")
    desk.page.fill("#token", hospital.tokens["stella"])
    desk.page.click("main button")
    desk.go(f"jobs/{job}")
    hospital.work()
    desk.page.wait_for_selector("text=Open the run", timeout=15_000)  # the page loads itself again
    desk.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_and_fit(chromium, address: str, hospital: Hospital, scheme: str):
    project = f"projects/{hospital.project.id}"
    pages = {
        "stella": ("", project, f"{project}/permissions", f"{project}/permissions/new", f"{project}/runs/new",
                   f"{project}/jobs", f"{project}/journal"),
        "anna": ("", "account", f"datasets/{hospital.datasets['a'].id}"),
        "olga": ("parties", f"parties/{hospital.parties['anna'].id}", f"parties/{hospital.parties['anna'].id}/disable",
                 "journal"),
    }  # fmt: skip
    for who, paths in pages.items():
        desk = Desk(chromium, address, color_scheme=scheme, viewport={"width": 360, "height": 740})
        desk.sign_in(hospital.tokens[who])
        for path in paths:
            desk.go(path)
            assert desk.page.evaluate(FAINT) == [], (path, scheme)
            assert desk.page.evaluate(NAMELESS) == [], path
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not desk.page.evaluate(wide), path
        desk.close()


FAINT = """() => {
  // Text whose contrast to what is behind it is below 4.5 : 1 (WCAG 2.2, 1.4.3).
  const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1})
    .getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(rgba(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => layer[3] ? over(layer, below) : below, [255, 255, 255, 1]);
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName) || !element.checkVisibility()) continue;
    const back = behind(element), front = over(rgba(getComputedStyle(element).color), back);
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faint.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""

NAMELESS = """() => {
  // Links, buttons and fields that nobody can name.
  const text = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();
  return [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
    .filter((one) => !(one.labels && [...one.labels].some((label) => text(label))) && !text(one))
    .map((one) => one.outerHTML.slice(0, 120));
}"""
