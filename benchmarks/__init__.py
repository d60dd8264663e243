"""Ours beside rsync, zsync, rdiff and others, in one run, as ratios: ``make bench``.

    python -m benchmarks [OLD:NEW | DIRECTORY] ...

docs/design.md has what was measured and which aims hold.
"""
