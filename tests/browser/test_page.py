"""The report in headless Chromium: its pieces are there and work, by mouse and keyboard, wide and narrow."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.conftest import FULL, OUT, requests

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
LARGEST = 10 << 20  # bytes of a page
ANSWERS = ["What to do", "Where", "Against the run before"]  # behind the verdict, in this order
PIECES = ["Taps", "ode.state, step by step", "What it ends in", "Margins and ties", "Environment and time"]
OFF_SCREEN = """return [...document.querySelectorAll("body *")].filter((e) => {
  const box = e.getBoundingClientRect();
  const beside = box.right > arguments[0] + 1 || box.left < -1;
  return box.width && box.height && beside && !e.closest(".scroll, .skip, svg");
}).map((e) => `${e.tagName} ${e.className}: ${e.textContent.slice(0, 60)}`)"""
HIDDEN = """return [...document.querySelectorAll(arguments[1])].filter((e) => {
  const box = e.getBoundingClientRect();
  return !box.width || box.right > arguments[0] + 1;
}).map((e) => e.textContent)"""
"""Elements that lie beside the screen, and those of a selector that nobody sees without scrolling sideways."""


def texts(driver, selector: str) -> list[str]:
    return driver.execute_script(
        f"return [...document.querySelectorAll({selector!r})].map((e) => e.textContent.trim())"
    )


def column(driver, number: int) -> list[str]:
    return texts(driver, f".taps tbody > tr > td:nth-child({number})")


def ratios(driver, number: int) -> list[float]:
    """The figures of a column, without the bounds beside them."""
    return [float(text.split()[0]) for text in column(driver, number)]


def count(driver) -> str:
    return driver.find_element(By.CSS_SELECTOR, ".count").text


def header(driver, name: str):
    (found,) = driver.find_elements(By.CSS_SELECTOR, f".taps thead th[data-column={name}] button")
    return found


def press(driver, element) -> None:
    """What Enter does on a focused control: nothing here needs a mouse."""
    driver.execute_script("arguments[0].focus()", element)
    element.send_keys(Keys.ENTER)


def violations(driver) -> list[dict]:
    """What axe-core finds wrong with the page as it stands."""
    driver.set_script_timeout(120)
    driver.execute_script(AXE)
    return driver.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")


def test_a_pass_says_so_and_has_every_piece(browser, passing):
    driver = browser(passing)
    assert driver.title == "PASS · parity report"
    assert "Pass: all 5284 verdicts passed" in driver.find_element(By.TAG_NAME, "h1").text
    headings = texts(driver, "h2")
    assert headings == [*ANSWERS, *PIECES, "History", "Glossary"]
    assert texts(driver, ".stage > details > summary > .tile") == ["text", "conditioning", "t3", "flow", "vocoder"]
    assert len(driver.find_elements(By.CSS_SELECTOR, "audio")) == 3
    assert len(driver.find_elements(By.CSS_SELECTOR, "svg.plot")) == 2
    captions = texts(driver, "caption")
    assert any(caption.startswith("swap matrix") for caption in captions)
    assert "candidate against reference" in captions
    assert texts(driver, "pre code")[0].startswith("parity verify --case tiny")


def test_a_failure_names_the_first_bad_tap_and_shows_its_error(browser, failing):
    driver = browser(failing)
    assert driver.title == "FAIL · parity report"
    assert texts(driver, "h2") == [*ANSWERS, *PIECES, "History", "Glossary"]
    link = driver.find_element(By.CSS_SELECTOR, ".todo a")
    assert link.text == "decoder.mid_blocks.0.resnet.res_conv[step=0,cond]"
    assert len([text for text in texts(driver, "p, li") if text.startswith("First wrong:")]) == 1
    assert [text.startswith("▶ wrong first: decoder.mid_blocks.0 ") for text in texts(driver, "button.first")] == [True]
    assert texts(driver, ".stage > details[open] .tile.reached, .stage > details[open] .tile.first")
    assert driver.execute_script("return document.querySelectorAll('.stage > details:not([open])').length") == 3
    assert texts(driver, ".stage > details > summary > .tile.failed") == ["✗ flow"]
    assert texts(driver, ".stage > details > summary > .tile.reached") == ["✗ vocoder"]
    assert texts(driver, "button.tile.failed") == [texts(driver, "button.tile.failed")[0]]
    assert set(column(driver, 3)) == {"✗ FAIL, wrong"}  # the failures come first
    errors = column(driver, 2)
    assert set(errors) == {"local", "accumulated"}
    assert errors == sorted(errors, reverse=True)  # and of these the local ones
    press(driver, link)
    assert count(driver).startswith("1 of ")
    detail = driver.find_element(By.CSS_SELECTOR, ".detail")
    assert "ratio32" in detail.text
    assert len(detail.find_elements(By.CSS_SELECTOR, "svg.plot")) == 1
    assert "beside the worst position" in detail.text
    places = texts(driver, ".detail dl > div")
    (place,) = [json.loads(text.removeprefix("at")) for text in places if text.startswith("at[")]
    assert str(place[-1]) in texts(driver, ".near tr:first-child td")
    press(driver, driver.find_element(By.CSS_SELECTOR, ".taps tbody button"))
    assert driver.find_elements(By.CSS_SELECTOR, ".detail") == []


def test_a_failure_says_what_has_changed_and_how_the_error_grows(browser, failing):
    driver = browser(failing)
    (said,) = [text for text in texts(driver, ".since p") if "turned to the worse" in text]
    assert "passed" in said
    assert texts(driver, ".since caption")[0] == "verdicts that turned"
    assert texts(driver, ".since tbody tr:first-child td")[0] == texts(driver, ".todo a")[0]
    assert texts(driver, ".growth tbody tr:first-child td")[0].startswith("decoder.mid_blocks.0[step=0,")
    facts = dict(zip(texts(driver, ".facts dt"), texts(driver, ".facts dd"), strict=True))
    assert {"host", "commit"} <= facts.keys()
    assert "checkpoint" in texts(driver, "[aria-label=Hashes] th")


def test_every_tap_has_an_address(browser, failing):
    driver = browser(failing)
    link = driver.find_element(By.CSS_SELECTOR, ".growth a")
    tap = link.text
    press(driver, link)
    opened = texts(driver, ".detail p")
    assert column(driver, 1)[0].removeprefix("▦ ") == tap
    fragment = driver.execute_script("return location.hash")
    assert fragment.startswith("#r0/accumulated/decoder.mid_blocks.0")
    again = browser(failing, fragment=fragment)
    assert texts(again, ".detail p") == opened
    own = again.find_element(By.CSS_SELECTOR, ".detail a")
    assert own.text == "Link to this tap"
    assert own.get_attribute("href").endswith(fragment)
    again.back()
    assert count(browser(failing, fragment="#r7/local/nothing")).startswith("1")  # as without an address


def test_sorting(browser, passing):
    driver = browser(passing)
    press(driver, header(driver, "ratio64"))
    found = ratios(driver, 7)
    assert len(found) == 150
    assert found == sorted(found, reverse=True)
    assert texts(driver, "th[aria-sort=descending]") == ["ratio64 ▼"]
    press(driver, header(driver, "ratio64"))
    found = ratios(driver, 7)
    assert found == sorted(found)
    press(driver, header(driver, "headroom"))
    least = ratios(driver, 8)
    assert least == sorted(least)
    assert column(driver, 1)[0].startswith("▦ ")  # the worst taps have pictures


def test_filtering(browser, passing):
    driver = browser(passing)
    assert count(driver) == "5284 of 5284 verdicts"
    name = driver.find_element(By.CSS_SELECTOR, ".f-name")
    name.send_keys("ODE.state[step=9")
    assert count(driver) == "2 of 5284 verdicts"
    assert set(column(driver, 2)) == {"local", "accumulated"}
    Select(driver.find_element(By.CSS_SELECTOR, ".f-mode")).select_by_visible_text("local")
    assert column(driver, 2) == ["local"]
    name.send_keys("nothing")
    assert count(driver) == "0 of 5284 verdicts"
    press(driver, driver.find_element(By.CSS_SELECTOR, ".filters button"))
    WebDriverWait(driver, 5).until(lambda d: count(d) == "5284 of 5284 verdicts")
    more = driver.find_element(By.CSS_SELECTOR, ".more")
    press(driver, more)
    assert len(column(driver, 1)) == 300


def test_a_tile_opens_its_taps(browser, passing):
    driver = browser(passing)
    (tile,) = [
        t for t in driver.find_elements(By.CSS_SELECTOR, "button.tile") if t.text.startswith("decoder.mid_blocks.1 ")
    ]
    press(driver, tile)
    taps = column(driver, 1)
    assert taps
    assert all("decoder.mid_blocks.1" in tap for tap in taps)
    assert driver.switch_to.active_element.get_attribute("class") == "f-part"


def test_the_sounds_play(browser, passing):
    driver = browser(passing)
    for audio in driver.find_elements(By.TAG_NAME, "audio"):
        driver.execute_script("arguments[0].focus()", audio)
        audio.send_keys(Keys.SPACE)
        WebDriverWait(driver, 10).until(
            lambda d, audio=audio: d.execute_script("return arguments[0].currentTime > 0 && !arguments[0].error", audio)
        )
        seconds = driver.execute_script("return arguments[0].duration", audio)
        assert seconds == pytest.approx(0.24, abs=0.01)


def test_every_control_is_reached_by_tab(browser, passing):
    driver = browser(passing)
    reached = []
    for _ in range(6):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.text)
    assert reached[0] == "Skip to the verdict"
    assert reached[1] == "Dark"
    assert [reached[2]] == texts(driver, ".todo a")  # the tap that is nearest to its bound


@pytest.mark.parametrize("kind", ["passing", "failing", "several"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_accessible_and_not_wider_than_the_screen(request, browser, kind, width, dark):
    driver = browser(request.getfixturevalue(kind), width, 900, dark)
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 22, 26)") == dark
    shown = driver.find_element(By.CSS_SELECTOR, ".result:not([hidden])")
    press(driver, shown.find_element(By.CSS_SELECTOR, ".taps tbody button"))
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(OFF_SCREEN, width) == []
    cells = ".result:not([hidden]) tr:not(.detail) > :is(.c-passed, .c-ratio32, .c-ratio64)"
    assert driver.execute_script(HIDDEN, width, cells) == []
    found = violations(driver)
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found] == []
    driver.execute_script("window.scrollTo(0, 0)")
    driver.save_screenshot(str(OUT / f"{kind}-{width}-{'dark' if dark else 'light'}.png"))


def test_what_is_off_screen_is_found(browser, tmp_path):
    page = '<html><meta name="viewport" content="width=device-width"><body><p style="width:600px" class="x">wide</p>'
    (tmp_path / "wide.html").write_text(page)
    for width, found in ((390, 1), (1280, 0)):
        driver = browser(tmp_path / "wide.html", width)
        assert len(driver.execute_script(OFF_SCREEN, width)) == found
        assert len(driver.execute_script(HIDDEN, width, ".x")) == found


def test_axe_finds_what_is_wrong(browser, tmp_path):
    """That there is no finding means something."""
    (tmp_path / "bad.html").write_text('<html><title>x</title><body><img src="data:,"><p style="color:#ccc">faint</p>')
    driver = browser(tmp_path / "bad.html")
    assert {"image-alt", "color-contrast"} <= {rule["id"] for rule in violations(driver)}


def test_a_request_would_be_seen(browser, tmp_path):
    (tmp_path / "other.css").write_text("")
    (tmp_path / "bad.html").write_text('<html><link rel="stylesheet" href="other.css">')
    driver = browser(tmp_path / "bad.html")
    assert [url.rsplit("/", 1)[1] for url in requests(driver)] == ["bad.html", "other.css"]


def test_the_theme_button(browser, passing):
    driver = browser(passing)
    button = driver.find_element(By.ID, "theme")
    press(driver, button)
    assert driver.execute_script("return document.documentElement.dataset.theme") == "dark"
    assert button.get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("kind", ["passing", "failing", "large"])
def test_it_is_small_and_opens(request, browser, kind):
    page = request.getfixturevalue(kind)
    assert page.stat().st_size <= LARGEST
    driver = browser(page)
    verdicts = {"passing": 5284, "failing": 5284, "large": FULL}[kind]
    assert count(driver).endswith(f"of {verdicts} verdicts")


def test_the_pictures_of_the_readme(browser, passing, failing):
    """Of `docs/images`, which are copies."""
    driver = browser(passing, 1100, 760)
    command = "parity verify --case tiny --report build/report"  # the test's own names the folders of one machine
    driver.execute_script("document.querySelector('.todo code').textContent = arguments[0]", command)
    driver.save_screenshot(str(OUT / "pass.png"))
    driver = browser(failing, 1100, 760, dark=True)
    press(driver, driver.find_element(By.CSS_SELECTOR, ".todo a"))
    driver.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    driver.execute_script("document.querySelector('.filters').scrollIntoView()")
    driver.save_screenshot(str(OUT / "fail.png"))
    driver = browser(passing, 1100, 620)
    driver.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    driver.execute_script("document.querySelector('[id$=-chain]').scrollIntoView()")
    driver.save_screenshot(str(OUT / "steps.png"))
    for name in ("pass", "fail", "steps"):
        assert (OUT / f"{name}.png").stat().st_size > 10_000
