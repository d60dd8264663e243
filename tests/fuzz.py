"""All kernels and variants against each other, on random data, for as long as is asked.

`make fuzz` runs it; `python -m tests.fuzz --seconds 600 --seed 7` does so longer, from another
seed. What it makes is random in structure, not only in bytes: repeats, runs, shifted copies,
windows of equal weak sum, wanted blocks with a false strong hash, nodes that share keys, pieces in
any order. The first
difference ends it with the seed that makes it again.
"""

import argparse
import random
import time
from importlib import import_module

import numpy as np
from blake3 import blake3

from pyzsync.grid import FANOUT, LEAF
from pyzsync.weak import weak_sum


class Variant:
    """One way to run the kernel: a module, and for C which variant of its loops."""

    def __init__(self, module, simd=None):
        self.module, self.simd = module, simd

    def __call__(self, work):
        if self.simd:
            self.module.use_simd(self.simd)
        return work(self.module)


def all_variants():
    c = import_module("pyzsync._kernel")
    twin = Variant(import_module("pyzsync._numpy_kernel"))
    return {**{simd: Variant(c, simd) for simd in c.simd_variants()}, "numpy": twin}


def make_data(rng, size):
    """Bytes with much in common with themselves."""
    parts, total = [rng.randbytes(rng.randrange(1, 3000))], 0
    while total < size:
        kind = rng.randrange(7)
        if kind == 0:
            parts.append(bytes([rng.choice((0, 0, 1, 255))]) * rng.randrange(1, 4000))
        elif kind == 1:
            parts.append(rng.randbytes(rng.randrange(1, 9)) * rng.randrange(1, 900))
        elif kind == 2:
            parts.append(rng.randbytes(rng.randrange(1, 3000)))
        elif kind == 3:
            parts.append(crafted(rng))
        else:
            source = rng.choice(parts)
            start = rng.randrange(len(source))
            parts.append(source[start : start + rng.randrange(1, 5000)])
        total += len(parts[-1])
    return b"".join(parts)


def crafted(rng):
    """Leaves of one weak sum: two letters of a Thue-Morse word of 256 bytes may be exchanged."""
    word = np.array([i.bit_count() & 1 for i in range(256)], np.uint8)
    leaves = []
    for _ in range(rng.randrange(1, 100)):
        letter = np.uint8(rng.randrange(1, 120))
        leaves.append((120 + letter * word - letter * (1 - word)).astype(np.uint8).tobytes())
        leaves.append(bytes([120]) * 256)
    return b"".join(leaves)


def digest_of(block):
    level = b"".join(blake3(block[at : at + LEAF]).digest() for at in range(0, len(block), LEAF))
    while len(level) > 32:
        nodes = range(0, len(level), FANOUT * 32)
        level = b"".join(blake3(level[at : at + FANOUT * 32]).digest() for at in nodes)
    return level


def make_search(rng):
    """What a Matcher is made of, and the pieces that it scans."""
    block = LEAF * FANOUT ** rng.choice((0, 0, 0, 1, 1, 2, 3, 4))
    new = make_data(rng, rng.randrange(1, 40) * block // 2)
    step = rng.choice((block, block, block, 1 + block // 3))
    blocks = [new[at : at + block] for at in range(0, len(new) - block + 1, step)][:400]
    width = rng.randrange(1, 33)
    weak = [weak_sum(one) for one in blocks]
    strong = [digest_of(one)[:width] for one in blocks]
    for i in range(len(blocks)):
        if rng.random() < 0.1:
            strong[i] = rng.randbytes(width)
    old = b"".join(
        rng.choice((new, make_data(rng, block)))[rng.randrange(block) :]
        for _ in range(rng.randrange(1, 4))
    )
    size = rng.randrange(block, max(block, len(old)) + 1)
    starts = range(0, max(1, len(old) - block + 1), max(1, size - block + 1))
    pieces = [(old[at : at + size], at, rng.choice((-1, -1, 0, at // 2))) for at in starts][:50]
    if rng.random() < 0.2:
        rng.shuffle(pieces)
    arguments = np.array(weak, "<u4").tobytes(), b"".join(strong), width, block
    return arguments, pieces


def search(kernel, arguments, pieces):
    matcher = kernel.Matcher(*arguments)
    states = []
    for data, base, done in pieces:
        if len(data) % 3:
            matcher.scan(data, base, done)
        else:  # two parts of it, and one that reaches beyond its end
            cuts = (base, base + len(data) // 2, base + len(data) // 3, base + 2 * len(data))
            matcher.scan_ranges(data, base, np.array(cuts, "<i8").tobytes(), done)
        states.append((matcher.offsets(), int(matcher.pending), int(matcher.hashed)))
    return states


def hashes(kernel, data):
    weak, strong = kernel.hash_leaves(data)
    out, size = [weak, strong], LEAF
    while len(strong) > 32:
        weak, strong = kernel.hash_nodes(weak, strong, size, len(data))
        out += [weak, strong]
        size *= FANOUT
    if data:
        out += kernel.hash_levels(data, 1, 9, 20)
    return out


def rows(kernel, left, right, width):
    return kernel.equal_rows(left, right, width)


def make_rows(rng):
    width, count = rng.randrange(1, 80), rng.randrange(200)
    left = rng.randbytes(width * count)
    right = bytearray(left)
    for _ in range(rng.randrange(count + 1)):
        right[rng.randrange(len(right))] ^= rng.choice((0, 1, 128))
    return left, bytes(right), width


def make_join(rng):
    """Columns of nodes that have much in common, some of which are crafted to share keys."""
    width, old_width = rng.randrange(4, 33), rng.randrange(4, 33)
    pool = [rng.randbytes(36) for _ in range(rng.randrange(1, 300))]
    for i in range(len(pool)):
        if rng.random() < 0.2:
            pool[i] = rng.choice(pool)[: rng.randrange(37)].ljust(36, b"x")

    def made(width):
        rows = []
        for _ in range(rng.randrange(6)):
            start = rng.randrange(len(pool))
            rows += pool[start : start + rng.randrange(1, 200)]
        weak = b"".join(row[:4] for row in rows)
        return weak, b"".join(row[4 : 4 + width] for row in rows), width

    wanted, parts, place = made(width), [], 0
    for _ in range(rng.randrange(4)):
        parts.append((*made(old_width), place))
        place += len(parts[-1][0]) // 4
    rng.shuffle(parts)
    flags = bytes(rng.random() < 0.7 for _ in range(len(wanted[0]) // 4))
    return (flags, *wanted), parts


def join(kernel, arguments, parts):
    """Places of the join, then runs extended within each part from some of the places it gives."""
    made = kernel.Join(*arguments)
    for part in parts:
        made.feed(*part)
    places, flags, runs = made.places(), *arguments[:1], []
    for *old, first in parts:
        inside = np.frombuffer(places, "<i4") - first
        known = (inside >= 0) & (inside < len(old[0]) // 4) & (np.arange(len(inside)) % 5 == 0)
        given = np.where(known, inside, -1).astype("<i4").tobytes()
        runs.append(kernel.extend_runs(given, flags, *arguments[1:], *old))
    return places, runs


def run_once(seed, variants):
    """One round of everything; AssertionError at the first difference."""
    rng = random.Random(seed)
    data = make_data(rng, rng.randrange(40_000))[rng.randrange(64) :]
    rounds = (
        (search, make_search(rng)),
        (hashes, (data,)),
        (rows, make_rows(rng)),
        (join, make_join(rng)),
    )
    for work, made in rounds:
        results = {
            name: variant(lambda kernel, work=work, made=made: work(kernel, *made))
            for name, variant in variants.items()
        }
        expected = results["numpy"]
        different = [name for name, result in results.items() if result != expected]
        assert not different, f"seed {seed}: {work.__name__} of {different} is not the twin's"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    variants = all_variants()
    seed, end = options.seed, time.monotonic() + options.seconds
    while time.monotonic() < end:
        run_once(seed, variants)
        seed += 1
    print(f"{seed - options.seed} rounds over {', '.join(variants)}: all the same")
    if lacking := {"avx512", "avx2", "portable", "numpy"} - variants.keys():
        print(f"not available here: {', '.join(sorted(lacking))}")


if __name__ == "__main__":
    main()
