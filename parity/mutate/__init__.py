"""Mutants of a candidate: its source changed in one place, and whether the cases of a contract notice.

What the cases notice says what a pass of theirs proves. Needs the extra `mutate`.
"""
