"""Reports of a passing and of a failing run, and a browser to open them in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from parity.cli import main
from parity.contract import toml_files
from parity.show.page import write
from parity.show.results import load

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "browser"
FULL = 22_092  # verdicts of a whole run at full size


def found(names: tuple[str, ...]) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"none of {', '.join(names)} is installed; apt-get install chromium chromium-driver")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history: of the run that passes, then of the one that fails."""
    return tmp_path_factory.mktemp("history") / "history.sqlite"


@pytest.fixture(scope="session")
def passing(store: Path) -> Path:
    """The page of a whole tiny run, the first in the history."""
    os.chdir(ROOT)
    command = ["verify", "--case", "tiny", "--history", str(store), "--report", str(OUT / "passing")]
    assert main(command) == 0
    return OUT / "passing" / "index.html"


@pytest.fixture(scope="session")
def failing(passing: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a tiny run whose candidate is `faulty.py`, after one that passed."""
    contract = tmp_path_factory.mktemp("failing") / "contract.toml"
    toml_files.copy(ROOT / "fixtures" / "contract.toml", contract)
    text = contract.read_text()
    assert text.count('"mlx_impl.pipeline:Pipeline"') == 1
    contract.write_text(text.replace('"mlx_impl.pipeline:Pipeline"', '"tests.browser.faulty:Faulty"'))
    os.chdir(ROOT)
    command = ["verify", "--case", "tiny", "--history", str(store), "--report", str(OUT / "failing")]
    assert main([*command, "--contract", str(contract)]) == 1
    return OUT / "failing" / "index.html"


@pytest.fixture(scope="session")
def several(passing: Path, failing: Path) -> Path:
    """The page of both."""
    write(load([page.with_name("report.json") for page in (passing, failing)]), OUT / "several", {})
    return OUT / "several" / "index.html"


@pytest.fixture(scope="session")
def large(passing: Path) -> Path:
    """A page as large as that of a whole run at full size: the tiny run's verdicts, over and over."""
    (report,) = load([passing.with_name("report.json")])
    taps = report.verdicts
    numbered = zip(range(FULL), cycle(taps), strict=False)
    copies = [replace(verdict, tap=f"copy_{i // len(taps)}.{verdict.tap}") for i, verdict in numbered]
    places = [*report.places, ("copies", FULL - len(taps))]
    write([replace(report, verdicts=copies, places=places, expected=FULL)], OUT / "large", {})
    return OUT / "large" / "index.html"


@pytest.fixture
def browser() -> Iterator[Callable[..., webdriver.Chrome]]:
    """Opens a page in headless Chromium. At the end: no message in the console, and no request but for the file."""
    opened = []

    def browser(
        page: Path, width: int = 1280, height: int = 900, dark: bool = False, fragment: str = ""
    ) -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = found(("chromium", "google-chrome", "chrome"))
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={width},{height}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=Service(found(("chromedriver",))))
        opened.append(driver)
        mode = "dark" if dark else "light"
        device = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        media = {"features": [{"name": "prefers-color-scheme", "value": mode}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.get(page.as_uri() + fragment)
        return driver

    yield browser
    for driver in opened:
        try:
            assert driver.get_log("browser") == []
            assert [url for url in requests(driver) if not url.startswith(("file:", "data:"))] == []
        finally:
            driver.quit()


def requests(driver: webdriver.Chrome) -> list[str]:
    """The address of everything that the page asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
