"""The built site, served on this machine, and a browser to read it in: `tox -e site` builds it first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.browser.conftest import found, requests

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: int = 1280
    dark: bool = False

    def __str__(self) -> str:
        return f"{self.width}, {'dark' if self.dark else 'light'}"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the site is served."""
    if not (SITE / "index.html").is_file():
        raise RuntimeError(f"{SITE} has no site: run mkdocs build, or tox -e site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    """One browser for all pages: to start it takes longer than to read a page."""
    options = webdriver.ChromeOptions()
    options.binary_location = found(("chromium", "google-chrome", "chrome"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(found(("chromedriver",))))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture
def read(address: str, chromium: webdriver.Chrome) -> Iterator[Callable[..., webdriver.Chrome]]:
    """Opens a page. At the end: no message in the console, and no request that leaves this machine."""

    def read(page: str, look: Look = Look()) -> webdriver.Chrome:
        device = {"width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 600}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        media = {"features": [{"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}]}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        chromium.get("about:blank")  # another address with the same page would only scroll
        chromium.get(address + page)
        return chromium

    chromium.get_log("browser")
    requests(chromium)
    yield read
    assert chromium.get_log("browser") == []
    near = (address, "data:", "blob:", "about:")
    assert [url for url in requests(chromium) if not url.startswith(near)] == []
