"""The weights of two models, accounted for by value: each tensor of either side, and what it is on the other."""

from parity.match.audit.rows import Audit, Row
from parity.match.audit.search import audit
from parity.match.audit.tensor import Made, Normed, Side, Tensor

__all__ = ["Audit", "Made", "Normed", "Row", "Side", "Tensor", "audit"]
