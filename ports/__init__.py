"""Ports that other people wrote, each judged against the model that it is of: `python -m ports`.

pair.py         what a pair is, and how it is judged
corrected.py    a module of a port with some of its lines corrected
confirmed.py    the matches of a pair, tried on inputs that no search has seen
pairs.py        all pairs, and their shards
row.py          what is kept of a judged pair
page.py         docs/ports.md and docs/ports/, made of rows
language/ …     a folder a subject, each with `PAIRS`
"""
