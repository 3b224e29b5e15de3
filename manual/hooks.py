"""What MkDocs calls while it builds the site: files from outside of docs/ join it, and marks of blocks become titles.

`build/nightly` joins the site as `nightly/`, with a page of its own, where it is there: the nightly writes its report
before it builds the site.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from manual import llms, outside, pictures

NIGHTLY = outside.ROOT / "build" / "nightly"
NIGHT = "last-night.md"
TITLES = {"file": "{}", "exits": "exits with {}", "printed": "prints, among other lines"}
MARKED = re.compile(r"<!-- (file|exits|printed)(?:: | )?(.*?) -->\n```(\w+)\n")
README = re.compile(r"<!-- section of the README: (.+?) -->")


def section(title: str) -> str:
    """A section of the README without its heading: the site's first page has it as well."""
    text = (outside.ROOT / "README.md").read_text(encoding="utf-8")
    found = text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0].strip()
    return outside.LINK.sub(lambda link: link[0] if "://" in link[0] else f"../{link[0]}", found)


def on_config(config: Any) -> Any:
    """Put last night into the navigation, where there is a report of it."""
    if (NIGHTLY / "index.html").is_file():
        results = next(part["Results"] for part in config["nav"] if "Results" in part)
        results.insert(0, {"Last night": NIGHT})
    return config


def last_night() -> str:
    """The page of last night: what is verified now, as `parity status` has it, and where the report is."""
    status = NIGHTLY / "status.md"
    title, _, rest = (status.read_text(encoding="utf-8") if status.is_file() else "# Last night\n").partition("\n")
    said = "The nightly wrote this page. [Its report](nightly/index.html) has every tap and audio."
    if (NIGHTLY / "mutants" / "index.html").is_file():
        said += " [Its survey](nightly/mutants/index.html) has the mutants that no case noticed."
    return f"{title}\n\n{said}\n{rest}"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the project, the files that pages link to, `llms.txt`, and last night's report."""
    for path, page in outside.PAGES.items():
        files.append(File.generated(config, page, content=(outside.ROOT / path).read_text(encoding="utf-8")))
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for path in sorted(set().union(*(outside.linked(page, text) for page, text in texts.items()))):
        where = outside.place(path) or ""
        if where.startswith("files/"):
            files.append(File.generated(config, where, abs_src_path=str(outside.ROOT / path)))
    pages = {file.src_uri: file.url for file in files}
    files.append(File.generated(config, "llms.txt", content=llms.for_site(pages)))
    for path in sorted(path for path in NIGHTLY.rglob("*") if path.is_file() and path.suffix != ".md"):
        where = f"nightly/{path.relative_to(NIGHTLY).as_posix()}"
        files.append(File.generated(config, where, abs_src_path=str(path)))
    if (NIGHTLY / "index.html").is_file():
        files.append(File.generated(config, NIGHT, content=last_night()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as the site has its files, titles for the marks of blocks, and a picture where a page asks for one."""
    where = page.file.src_uri
    text = outside.titled(where, README.sub(lambda found: section(found[1]), markdown))
    text = outside.relinked(where, text)
    text = pictures.inline(pictures.drawn(text))
    return MARKED.sub(lambda found: f'```{found[3]} title="{TITLES[found[1]].format(found[2])}"\n', text)
