"""Programs in double: what a model computes, as a list of operations that can be run again in float64.

Three sources give one form, `parity.exact.program.Program`: the graph of `mx.export_function` or of a `.mlxfn`
(`parity.exact.mlx`), a stand-in for `mlx.core` on NumPy (`parity.exact.standin`), and a twin of a torch module in
double (`parity.exact.torch`). `parity.exact.operations` holds the definitions that all of them share.
"""
