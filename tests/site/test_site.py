"""The built site: no dead link, nothing in the console, readable light and dark, on a desk and on a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import pytest
from mkdocs.config import load_config
from mkdocs.structure.files import get_files
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import parity
from manual import hooks
from manual.doctests import fenced
from manual.outside import DOCS
from tests.site.conftest import SITE, Look

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "nightly" not in path.parts)
DESK, PHONE = Look(), Look(390, dark=True)
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Links(HTMLParser):
    """What a page refers to, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.targets += [value for key in ("href", "src") if (value := given.get(key))]
        self.names |= {value for key in ("id", "name") if (value := given.get(key))}


def dead(site: Path, page: str) -> list[str]:
    """The links of a page that lead to no file of the site, or to no place in it."""
    found = []
    for target in Links((site / page).read_text(encoding="utf-8")).targets:
        if re.match(r"[a-z]+:|//", target):
            continue
        path, _, place = unquote(target).partition("#")
        file = (site / page).parent / path if not path.startswith("/") else site / path.lstrip("/")
        file = file / "index.html" if file.is_dir() else file
        names = Links(file.read_text(encoding="utf-8")).names if file.suffix == ".html" and file.is_file() else {place}
        if not file.is_file() or (place and place not in names):
            found.append(target)
    return found


def violations(driver) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong with the page as it stands."""
    driver.execute_script(AXE)
    rules = driver.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
    return [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in rules]


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page):
    if page != "404.html":  # its links begin at the root of a host
        assert dead(SITE, page) == []


def test_a_dead_link_is_seen(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<p id="here">')
    (tmp_path / "b.html").write_text(
        '<a href="a/">1</a><a href="a/#here">2</a><a href="a/#there">3</a><img src="c.png"><a href="https://x.y">4</a>'
    )
    assert dead(tmp_path, "b.html") == ["a/#there", "c.png"]


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_accessible_and_fits_the_screen(read, page, look):
    driver = read(page, look)
    scheme = driver.find_element(By.TAG_NAME, "body").get_attribute("data-md-color-scheme")
    assert scheme == ("slate" if look.dark else "default")
    assert driver.execute_script(WIDER) <= 0
    assert violations(driver) == []


def test_axe_finds_what_is_wrong(read):
    driver = read("index.html")
    driver.execute_script("document.querySelector('article').innerHTML += '<img src=\"data:,\">'")
    assert "image-alt" in {rule for rule, _ in violations(driver)}


def test_the_theme_is_the_systems_until_a_reader_chooses(read):
    driver = read("index.html", Look(dark=True))
    schemes = []
    for _ in range(3):
        schemes.append(driver.find_element(By.TAG_NAME, "body").get_attribute("data-md-color-scheme"))
        labels = driver.find_elements(By.CSS_SELECTOR, "[data-md-component=palette] label")
        next(label for label in labels if label.is_displayed()).click()
    assert schemes == ["slate", "default", "slate"]  # as the system has it, light, dark
    driver.execute_script("localStorage.clear()")


def test_the_search_finds_a_page(read):
    driver = read("index.html")
    driver.find_element(By.CSS_SELECTOR, "label.md-search__icon, .md-search__input").click()
    driver.find_element(By.CSS_SELECTOR, ".md-search__input").send_keys("rotary")
    results = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, ".md-search-result__link"))
    assert any("causes/values/rotary" in (result.get_attribute("href") or "") for result in results)


def test_every_cause_has_its_picture(read):
    causes = [path.relative_to(DOCS).with_suffix("").as_posix() for path in (DOCS / "causes").glob("*/*.md")]
    assert len(causes) > 30
    for cause in causes:
        assert (SITE / cause / "index.html").read_text().count('<svg role="img"') == 1, cause
    driver = read("causes/values/gains/index.html", PHONE)
    drawn = driver.find_element(By.CSS_SELECTOR, "figure svg")
    assert 100 < drawn.size["width"] <= 390
    assert drawn.get_attribute("aria-label")


def test_a_mark_of_a_block_is_its_title(read):
    driver = read("own-model/index.html")
    titles = [each.text for each in driver.find_elements(By.CSS_SELECTOR, ".highlight .filename")]
    assert {"torch_model.py", "exits with 1", "prints, among other lines"} <= set(titles)


def test_the_interface_has_every_public_name_with_its_example():
    text = (SITE / "api" / "index.html").read_text()
    for name in parity.__all__:
        assert f'id="parity.{name}"' in text
    assert text.count("&gt;&gt;&gt;") >= len(parity.__all__)
    assert "<blockquote>" not in text


def test_examples_of_docstrings_are_blocks():
    assert fenced("One.\n\n>>> 1 + 1\n2\n\nTwo.") == "One.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nTwo."


def test_the_report_of_last_night_joins_the_site(tmp_path, monkeypatch):
    config = load_config(str(DOCS.parent / "mkdocs.yml"))
    for name, text in (("index.html", "<p>"), ("plots/a.svg", "<svg/>"), ("status.md", "# Verified\n\nAll.\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(config.plugins, "_current_plugin", "hooks", raising=False)  # as a build sets it
    night = {"nightly/index.html", "nightly/plots/a.svg", hooks.NIGHT}
    for there in (False, True):
        monkeypatch.setattr(hooks, "NIGHTLY", tmp_path if there else tmp_path / "none")
        files = hooks.on_files(get_files(config), config)
        assert night & {file.src_uri for file in files} == (night if there else set())
    assert hooks.last_night().startswith("# Verified\n\nThe nightly wrote this page. [Its report](nightly/index.html)")
    results = next(part["Results"] for part in hooks.on_config(config)["nav"] if "Results" in part)
    assert results[0] == {"Last night": hooks.NIGHT}


def test_llms_txt_leads_to_pages_of_the_site():
    text = (SITE / "llms.txt").read_text()
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert len(targets) > 15
    assert [target for target in targets if not (SITE / target / "index.html").is_file()] == []
