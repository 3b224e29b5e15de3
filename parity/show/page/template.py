"""A page from its template, with what the results say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def filled(name: str, functions: dict[str, Callable[..., Any]], **given: Any) -> str:
    """The template of that name, whose filters are these functions. Text is escaped; a name not given is an error."""
    environment = Environment(loader=PackageLoader("parity.show.page"), autoescape=True, undefined=StrictUndefined)
    environment.filters |= functions
    return environment.get_template(name).render(**given)
