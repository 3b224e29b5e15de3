"""Benchmarks of both sides: `tox -e bench`, or `python -m tests.bench` where there is no pytest-benchmark.

`works.py` says what is timed, `sides.py` runs it in a framework on a device, `measure.py` checks and counts it,
`table.py` shows the rows.
"""
