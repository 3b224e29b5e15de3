"""Ports that other people wrote, each judged against the model that it is of: `python -m ports`.

pair.py         what a pair is, and how it is judged
corrected.py    a module of a port with some of its lines corrected
pairs.py        all pairs, and their shards
page.py         docs/ports.md
language/ …     a folder a subject, each with `PAIRS`
"""
