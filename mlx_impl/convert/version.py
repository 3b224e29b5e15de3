"""Which table of names a file was made by."""

from __future__ import annotations

import hashlib

from mlx_impl.weights.stored.mapping import SCHEMES


def version() -> str:
    """What changes whenever a rule does, so that a file says by which table it was made."""
    lines = []
    for scheme in SCHEMES.values():
        for (rule, leaf), templates in scheme.names.items():
            names = " ".join(template.text for template in templates)
            lines.append(f"{scheme.target} {rule.kind} {leaf.operation} {leaf.layout.get(scheme.layout)} {names}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


VERSION = version()
