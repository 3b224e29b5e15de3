"""Each operator of mutation changes what it says, and what is left out stays."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.mutate.operators import OPERATORS
from parity.mutate.sites import mutants


def program(source: str) -> str:
    return ast.dump(ast.parse(source))


def changed(source: str, word: str = "") -> list[str]:
    """The mutated sources, of one operator or of all."""
    return [mutant.source for mutant in mutants(source) if not word or mutant.operator == word]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: f"{operator.word}: {operator.before}")
def test_an_operator_makes_its_example(operator):
    assert program(operator.after) in map(program, changed(operator.before, operator.word))


@pytest.mark.parametrize(
    ("word", "source", "after"),
    [
        ("constant", "x[0]", ["x[1]"]),
        ("constant", "x = 1e-6, 1e-12", ["x = 1e-5, 1e-12", "x = 1e-6, 1e-6"]),
        ("operator", "class A:\n    def __init__(self, n): self.half = n // 2", []),
        ("constant", "x = 0.0", ["x = 1.0"]),
        ("constant", "x = -1e9", ["x = -1.0"]),
        ("constant", "x.reshape(2, -1)", ["x.reshape(3, -1)"]),
        ("constant", "pad(x, (0, 3))", ["pad(x, (0, 4))"]),
        ("constant", 'f(mode="reflect")', ['f(mode="symmetric")']),
        ("constant", 'f("linear", "edge", x == "edge")', ['f("linear", "reflect", x == "edge")']),
        ("constant", "x.transpose(0, 2, 1)", []),
        ("default", "class A:\n    x: int = 1", ["class A:\n    x: int = 2"]),
        ("default", "class A:\n    def f(self):\n        y: int = 2", []),
        ("default", "f = lambda x, n=1: n + 2", ["f = lambda x, n=2: n + 2"]),
        ("operator", "x + 1 - y", ["x - 1 - y", "x + 1 + y"]),
        ("operator", "-a**2", ["a**2", "-(a * 2)"]),
        ("operator", "(a + b) // 2 * c", ["(a - b) // 2 * c", "-(-(a + b) // 2) * c", "(a + b) // 2"]),
        ("operator", "(a + b) * 2", ["(a - b) * 2", "(a + b)"]),
        ("operator", "'a' + b; [0] * n; (a,) + b", []),
        ("operator", "if not a or b: pass", ["if a or b: pass", "if not a and b: pass"]),
        ("operator", "if not a: pass", []),
        ("comparison", "if a < b: pass", ["if a <= b: pass"]),
        ("comparison", "if a == b: pass", []),
        ("comparison", "y = x < 0.5", ["y = x >= 0.5"]),
        ("comparison", "y = 0 <= x < 1", ["y = 0 < x < 1", "y = 0 <= x <= 1", "y = 0 > x < 1", "y = 0 <= x >= 1"]),
        ("argument", "f(x, axis=a, causal=True, mask=None, reason='r')", ["f(x, causal=True, mask=None, reason='r')"]),
        ("argument", "Record(a=x, b=y)", []),
        ("argument", "sort(x, axis=-1); stack(x, axis=1)", ["sort(x, axis=-1); stack(x)"]),
        ("exchange", "f(x, y, 3, *z)", ["f(y, x, 3, *z)"]),
        ("exchange", "mx.maximum(x, y); f('t', x); f(x, x)", []),
        ("exchange", "concatenate([-a, b])", ["concatenate([b, -a])"]),
        ("exchange", "state_dtype, dtype = a, b; f(x, dtype)", []),
        ("exchange", "RENAME, FOLD = 'rename', 'fold'", []),
        ("axis", "x.sum(axis=-1)", ["x.sum(axis=-2)"]),
        ("axis", "x.swapaxes(1, 2)", ["x.swapaxes(0, 2)", "x.swapaxes(1, 1)"]),
        ("axis", "x[:, None, :]", ["x[None, :, :]", "x[:, :, None]"]),
        ("axis", "x.shape[-1]", ["x.shape[-2]"]),
        ("axis", "x.max(axis=(1, -1))", ["x.max(axis=(0, -1))", "x.max(axis=(1, -2))"]),
        ("axis", "max(2, n)", []),
        ("pad", "mx.pad(x, ((0, 0), (0, n)))", ["mx.pad(x, ((0, n), (0, 0)))", "mx.pad(x, ((0, 0), (n, 0)))"]),
        ("slice", "x[: a - b]", ["x[: (a - b) - 1]"]),
        ("slice", "x[-1:]", ["x[-2:]"]),
        ("slice", "x[:, 1:2]", ["x[:, 2:2]", "x[:, 1:3]"]),
        ("slice", "x[::2]", ["x[1::2]", "x[::3]"]),
        ("slice", "x[::-1]", ["x[::1]"]),
        ("slice", "x[:, :]", []),
        ("call", "y = norm(a + b) * c", ["y = (a + b) * c"]),
        ("call", "y = min(a, b + c)", ["y = a", "y = (b + c)"]),
        ("call", "y = max(x, 0)", ["y = x"]),
        ("call", "y = Linear(a, b), x.reshape(a), int(x), np.float32(x), zeros(n), f([x]), g(1)", []),
        ("call", "cache.append(x)", ["pass"]),
        ("call", "if ready(x): pass", []),
        ("call", "import mx\ny = mx.exp(x)", ["import mx\ny = x"]),
        ("call", "super().__init__(x)", []),
        ("dtype", "y = x.astype(mx.int32), like(x, dtype=d)", ["y = x.astype(mx.int32), like(x)"]),
        ("call", "y = x.astype(mx.int32), like(x, dtype=d)", ["y = x, like(x, dtype=d)", "y = x.astype(mx.int32), x"]),
        ("dtype", "y = (a + b).astype(t) * c", ["y = (a + b) * c"]),
        ("condition", "y = [x for x in z if x > a]", ["y = [x for x in z if True]"]),
        ("condition", "while x: pass", ["while False: pass"]),
        ("condition", "if x: pass\nelse: raise E", ["if False: pass\nelse: raise E"]),
        ("condition", "if y := x: pass", ["if False: pass"]),
        ("loop", "for _ in range(n): pass", ["for _ in range(n - 1): pass"]),
        ("loop", "for i in range(1, n): f(i)", ["for i in range(1, n - 1): f(i)", "for i in range(2, n): f(i)"]),
        ("loop", "for i in range(0, n, 2): f(i)", ["for i in range(1, n, 2): f(i)"]),
        ("assignment", "x += [y]", ["x = [y]"]),
        ("assignment", "x *= y", ["x = y", "x /= y"]),
        ("return", "def f(): return a, a, b", ["def f(): return a, b, a"]),
    ],
)  # fmt: skip
def test_a_word_makes_these_and_no_others(word, source, after):
    assert sorted(map(program, changed(source, word))) == sorted(map(program, after))


@pytest.mark.parametrize(
    "source",
    [
        '"""A text + 1."""',
        "import a.b as c\nfrom a import b",
        "x: dict[str, int]",
        "def f(x: Literal[1] | None) -> tuple[int, int]: ...",
        "@cache(maxsize=3)\ndef f(): ...",
        "@dataclass(frozen=True)\nclass A: ...",
        "__all__ = ['a', 'b'] + c",
        "Number = int | float",
        "Rows = dict[str, tuple[int, int]]",
        "T = TypeVar('T', bound=f(x))",
        "raise ValueError(f'{x + 1}')",
        "assert x < 3",
        "if x < 3:\n    names = a + b\n    raise ValueError(names)",
        "try:\n    f()\nexcept KeyError:\n    raise ValueError(g(x + 1)) from None",
        "y = f'{x + 1}'",
        "if TYPE_CHECKING:\n    x = 1",
        "if __name__ == '__main__':\n    main(1)",
        "class A:\n    def __repr__(self): return str(self.x + 1)",
        "y = zip(strict=True)",
        "warnings.warn(x + 1)",
        "check_range(x + 1, low=a)",
        "isinstance(x, A | B)",
        "mx.eval(x + 1)",
        "mx.clear_cache(); print(x + 1)",
        "def _misfit(x): return x < 1\nif _misfit(x): raise E",
        "def _deeper(x): return x + 1\ndef _misfit(x): return _deeper(x)\nif w := _misfit(x): raise E(_deeper(w))",
    ],
)  # fmt: skip
def test_what_computes_nothing_stays(source):
    assert [mutant for mutant in mutants(source) if mutant.before != "f()"] == []


def test_a_check_that_is_used_elsewhere_is_changed():
    assert mutants("def _misfit(x): return x < 1\nif _misfit(x): raise E\nprint_all(_misfit)")


def test_where_and_what():
    (mutant,) = [
        m
        for m in mutants("class A:\n    def f(self, x):\n        é = 'é', x[\n            0]\n")
        if m.operator == "constant"
    ]
    assert (mutant.line, mutant.column, mutant.last_line, mutant.function) == (4, 12, 4, "A.f")
    assert (mutant.before, mutant.after) == ("0", "1")
    assert mutant.source == "class A:\n    def f(self, x):\n        é = 'é', x[\n            1]\n"


def test_an_id_stays_while_other_places_change():
    before, after = "def f(x): return x + 1\n", "y = 3\n\ndef f(x):\n    return x  +  1\n"
    ids = {mutant.id for mutant in mutants(before, "a.b")}
    assert len(ids) == 2
    assert ids <= {mutant.id for mutant in mutants(after, "a.b")}
    assert not ids & {mutant.id for mutant in mutants(before, "a.c")}


def test_equal_places_have_ids_of_their_own():
    found = mutants("y = x + z\ny = x + z\n")
    assert [mutant.line for mutant in found] == [1, 2]
    assert len({mutant.id for mutant in found}) == 2


NAMES = st.sampled_from(["x", "self.norm", "mx", "axis", "True", "None"])
LEAVES = NAMES | st.integers(0, 9).map(str) | st.floats(0, 1e9, allow_nan=False).map(repr) | st.just("'edge'")


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    templates = [
        *("{} + {}", "{} * {}", "{} // {}", "{} ** {}", "{} @ {}", "{} % {}", "-{}", "not {}", "{} and {}", "{} < {}"),
        *("({})", "({}, {})", "[{}, {}]", "f({}, {})", "f({}, axis={})", "f({}).astype({})", "max({}, {})", "x[{}]"),
        *("x[{}:{}]", "x[:, {}:]", "x[{}, {}]", "x[::{}]", "x.shape[{}]", "({} if {} else {})", "range({}, {})"),
        *("[i for i in {} if {}]", "{}.T", "pad(x, ({}, {}))", "{} in {} != {}", "(lambda n={}: {})"),
    ]  # fmt: skip
    return st.sampled_from(templates).flatmap(
        lambda template: st.tuples(*[parts] * template.count("{}")).map(lambda given: template.format(*given))
    )


def compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


@settings(deadline=None, max_examples=60)
@given(st.recursive(LEAVES, larger, max_leaves=8).map("y = {}".format).filter(compiles))
def test_mutants_of_any_expression_are_other_programs(source):
    programs = [program(source), *map(program, changed(source))]
    assert len(set(programs)) == len(programs)
