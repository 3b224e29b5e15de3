"""One comment on a pull request that each run changes: by GitHub's API, with the token of the workflow alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from parity.base.errors import InputError

PAGE = 100  # comments of an answer, at most
LONGEST = 65000  # characters; GitHub takes 65536


def comment(text: str, name: str) -> None:
    """Write the comment of this name, or change the one that is there.

    Without a pull request, and on one from a fork, whose token may only read, nothing is done. What GitHub refuses is
    a warning: the verdict does not depend on it.
    """
    number, fork = pull_request()
    if number is None:
        print("no pull request, so no comment")
    elif fork:
        print("::notice title=parity::A pull request from a fork gets no comment; the job's summary has it.")
    else:
        try:
            _write(number, f"{marker(name)}\n{text[:LONGEST]}", marker(name))
        except (HTTPError, URLError) as error:
            advice = "give the job `permissions: pull-requests: write`, or the action `comment: false`"
            print(f"::warning title=parity::The comment could not be written ({error}); {advice}.")


def marker(name: str) -> str:
    """The first line of a comment, which is not shown and by which it is found again."""
    return f"<!-- parity: {name.replace('-->', '')} -->"


def pull_request() -> tuple[int | None, bool]:
    """The number of the pull request that the workflow runs for, and whether it comes from a fork."""
    path = os.environ.get("GITHUB_EVENT_PATH", "")
    event: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    found = event.get("pull_request")
    if not found:
        return None, False
    head = found["head"]["repo"]  # none where the fork is gone
    return int(found["number"]), not head or head["full_name"] != found["base"]["repo"]["full_name"]


def _write(number: int, body: str, first: str) -> None:
    issues = f"/repos/{_variable('GITHUB_REPOSITORY')}/issues"
    page, there = 1, []
    while True:
        found = _ask("GET", f"{issues}/{number}/comments?per_page={PAGE}&page={page}")
        there += [each["id"] for each in found if each["user"]["type"] == "Bot" and each["body"].startswith(first)]
        if len(found) < PAGE:
            break
        page += 1
    if there:
        _ask("PATCH", f"{issues}/comments/{there[0]}", {"body": body})
    else:
        _ask("POST", f"{issues}/{number}/comments", {"body": body})


def _ask(method: str, path: str, data: dict[str, str] | None = None) -> Any:
    """The answer of GitHub's API, as JSON."""
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {_variable('GITHUB_TOKEN')}",
        "Content-Type": "application/json",
    }
    content = None if data is None else json.dumps(data).encode()
    request = Request(_variable("GITHUB_API_URL") + path, content, headers, method=method)
    with urlopen(request) as answer:
        return json.load(answer)


def _variable(name: str) -> str:
    """Raises `InputError` where an environment variable that GitHub sets is not set."""
    if value := os.environ.get(name):
        return value
    raise InputError(f"{name} is not set; the action sets it, and so does whoever runs this elsewhere")
