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

HERE = Path(__file__).parent
KINDS = ("none", "gelu", "epsilon", "padding")


def committed(kind: str) -> Path:
    return HERE / f"{'right' if kind == 'none' else kind}.mlxfn"


def compiled(folder: Path) -> Path:
    """The program, built against the headers and the library of MLX's wheel."""
    import mlx.core as mx

    package = Path(mx.__file__).parent
    program = folder / "block"
    subprocess.run(
        ["g++", "-std=c++20", "-O1", f"-I{package / 'include'}", str(HERE / "block.cpp"), "-o", str(program)]
        + [f"-L{package / 'lib'}", "-lmlx", f"-Wl,-rpath,{package / 'lib'}"],
        check=True,
    )
    return program


def weights_file(folder: Path) -> Path:
    """The weights as MLX lays them out: convolutions (out, k, in)."""
    from safetensors.numpy import save_file

    from tests.exact.cpp.subject import weights

    path = folder / "weights.safetensors"
    turned = {name: array.transpose(0, 2, 1) if array.ndim == 3 else array for name, array in weights().items()}
    save_file({name: np.ascontiguousarray(array) for name, array in turned.items()}, path)
    return path


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
    differing = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program, weights = compiled(folder), weights_file(folder)
        for kind in KINDS:
            made = folder / f"{kind}.mlxfn"
            subprocess.run([program, weights, kind, made], check=True)
            known = committed(kind)
            if accept:
                shutil.copyfile(made, known)
            elif not known.exists() or not same(mlxfn.read(made).graph, mlxfn.read(known).graph):
                differing.append(known.name)
    print(f"differ: {', '.join(differing)}" if differing else f"{len(KINDS)} files as they should be")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
