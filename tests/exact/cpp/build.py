"""`python -m tests.exact.cpp.build`: build the C++ port and compare what it exports with the committed files.

With `--accept` the committed files are replaced. Exit 0 if nothing differs, 1 if something does, 2 without a compiler.
Files of two builds differ in the numbers of arrays alone, which are addresses, so graphs are compared.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from parity.exact import mlxfn
from parity.exact.graph import Graph
from tests.exact.cpp.faults import PARTS, RIGHT, Fault, kinds
from tests.exact.cpp.subject import checkpoint, shapes

HERE = Path(__file__).parent


def committed(part: str, kind: str = RIGHT) -> Path:
    return HERE / "graphs" / f"{part}.{kind}.mlxfn"


def compiled(source: Path, program: Path) -> Path:
    """A program of one C++ file, built against the headers and the library of MLX's wheel."""
    import mlx.core as mx

    package = Path(mx.__file__).parent
    command = ["g++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-isystem{package / 'include'}", str(source)]
    library = [f"-L{package / 'lib'}", "-lmlx", f"-Wl,-rpath,{package / 'lib'}"]
    subprocess.run([*command, "-o", str(program), *library], check=True)
    return program


def built(folder: Path, name: str, fault: Fault | None = None) -> Path:
    """A program of the port, made in `folder` from its sources, of which one may have a fault."""
    for source in (*HERE.glob("*.h"), HERE / name):
        text = source.read_text()
        if fault and source.name == fault.file:
            assert fault.right in text, f"{fault.file} has no {fault.right}"
            text = text.replace(fault.right, fault.wrong)
        (folder / source.name).write_text(text)
    return compiled(folder / name, (folder / name).with_suffix(""))


def exporter(folder: Path, fault: Fault | None = None) -> Path:
    return built(folder, "export.cpp", fault)


def exported(program: Path, weights: Path, part: str, out: Path, options: list[str] | None = None) -> Path:
    """The graph that the program writes of a part: for the subject's shapes where no others are given."""
    subprocess.run([program, weights, out, part, *(options or shapes(part))], check=True)
    return out


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs are one, whatever their arrays' names are."""
    names = dict(zip(order(a), order(b), strict=False))
    return (
        len(order(a)) == len(order(b))
        and [names[name] for name in (*a.inputs, *a.outputs)] == [*b.inputs, *b.outputs]
        and [(c.name, c.arguments, [names[n] for n in c.inputs]) for c in a.calls]
        == [(c.name, c.arguments, list(c.inputs)) for c in b.calls]
        and all(np.array_equal(array, b.constants[names[name]]) for name, array in a.constants.items())
        and all(output == b.said[names[name]] for name, output in a.said.items())
    )


def order(graph: Graph) -> list[str]:
    """Every value in the order in which the graph mentions it."""
    mentioned = [*graph.inputs, *graph.constants]
    for call in graph.calls:
        mentioned += [*call.inputs, *call.outputs]
    return list(dict.fromkeys(mentioned))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="replace the committed files")
    accept = parser.parse_args().accept
    if shutil.which("g++") is None:
        print("there is no g++: install g++", file=sys.stderr)
        return 2
    differing, count = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, right = checkpoint(folder), exporter(folder)
        for part, faults in PARTS.items():
            for kind in kinds(part):
                program = right if kind == RIGHT else exporter(folder, faults[kind])
                made, known = exported(program, weights, part, folder / "made.mlxfn"), committed(part, kind)
                count += 1
                if accept:
                    shutil.copyfile(made, known)
                elif not known.exists() or not same(mlxfn.read(made).graph, mlxfn.read(known).graph):
                    differing.append(known.name)
    print(f"differ: {', '.join(differing)}" if differing else f"{count} files as they should be")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
