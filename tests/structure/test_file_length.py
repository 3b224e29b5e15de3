"""A file holds one concept, so none is longer than a reader takes in."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 500
SUFFIXES = {".py", ".toml", ".md", ".ini", ".yml", ".txt"}


def long_files(root: Path) -> dict[str, int]:
    """Text files of the project, hidden and built folders left out, with more lines than `LONGEST_FILE`."""
    found = {}
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix not in SUFFIXES or parts[0] in ("build", "dist", "shared") or "venv" in parts[0]:
            continue
        if any(part.startswith(".") and part not in (".github", ".ci") for part in parts):
            continue
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE:
            found["/".join(parts)] = lines
    return found


def test_no_file_is_longer_than_a_reader_takes_in():
    assert long_files(ROOT) == {}


def test_a_long_file_is_seen(tmp_path):
    (tmp_path / "parity").mkdir()
    (tmp_path / ".tox").mkdir()
    for path, lines in (("parity/a.py", 501), ("parity/b.py", 500), (".tox/c.py", 900), ("d.toml", 600)):
        (tmp_path / path).write_text("#\n" * lines)
    assert long_files(tmp_path) == {"parity/a.py": 501, "d.toml": 600}
