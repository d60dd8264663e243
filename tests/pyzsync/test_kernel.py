"""Both kernels, held to one contract: by definitions, a slow model of the search, and cost."""

import inspect
import sys
import threading
from collections import Counter
from importlib import import_module

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from pyzsync.grid import FANOUT, LEAF
from pyzsync.weak import B, power, weak_sum

WIDTH = 11


def leaf_hashes(data):
    leaves = [data[at : at + LEAF] for at in range(0, len(data), LEAF)]
    weak = np.array([weak_sum(leaf) for leaf in leaves], "<u4").tobytes()
    return weak, b"".join(blake3(leaf).digest() for leaf in leaves)


def node_digest(block):
    if len(block) <= LEAF:
        return blake3(block).digest()
    size = LEAF
    while size * FANOUT < len(block):
        size *= FANOUT
    return blake3(
        b"".join(node_digest(block[at : at + size]) for at in range(0, len(block), size))
    ).digest()


def wanted(blocks, width=WIDTH):
    """The first three arguments of a Matcher that looks for these blocks."""
    weak = np.array([weak_sum(block) for block in blocks], "<u4").tobytes()
    return weak, b"".join(node_digest(block)[:width] for block in blocks), width


def places(join):
    return np.frombuffer(join.places(), "<i4").tolist()


def offsets(matcher):
    return np.frombuffer(matcher.offsets(), "<i8").tolist()


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def thue_morse(size):
    return np.array([i.bit_count() & 1 for i in range(size)], np.uint8)


def equal_weak_blocks(count):
    """Distinct leaves of one weak sum: in a Thue-Morse word of 256 bytes any two letters may be
    exchanged, since the product of (B**(2**i) - 1) for i < 8 is divisible by 2**32."""
    word = thue_morse(256)
    blocks = []
    for i in range(count):
        letter = np.uint8(1 + i % 120)
        base = np.full(LEAF, 120, np.uint8)
        base[:256] += letter * word - (letter * (1 - word))
        base[256:] += word if i < 120 else 1 - word
        blocks.append(base.tobytes())
    return blocks


def joined(flags, wanted, old, width, old_width):
    """The least places, as the contract words it; rows are pairs of a weak sum and strong bytes."""
    common = min(width, old_width)
    keys, places = {}, []
    for flag, (weak, strong) in zip(flags, wanted, strict=True):
        row = weak, strong[:common]
        same = (
            keys.setdefault((weak, strong[:4]), (weak, strong)) == (weak, strong) if flag else False
        )
        places.append(
            next((i for i, (w, s) in enumerate(old) if (w, s[:common]) == row), -1) if same else -1
        )
    return places


def extended(places, flags, wanted, old, width, old_width):
    """Runs extended as the contract words it."""
    common, places = min(width, old_width), list(places)

    def step(i, neighbour, side):
        place = places[neighbour] + side
        if not flags[i] or places[i] >= 0 or places[neighbour] < 0 or not 0 <= place < len(old):
            return
        (weak, strong), (old_weak, old_strong) = wanted[i], old[place]
        if (weak, strong[:common]) == (old_weak, old_strong[:common]):
            places[i] = place

    for i in range(1, len(places)):
        step(i, i - 1, 1)
    for i in reversed(range(len(places) - 1)):
        step(i, i + 1, -1)
    return places


def columns(rows, width):
    weak = np.array([weak for weak, _ in rows], "<u4").tobytes()
    return weak, b"".join(strong for _, strong in rows), width


class Model:
    """The search as the contract words it, a byte at a time."""

    def __init__(self, weak, strong, width, block):
        keys = [
            (
                int.from_bytes(weak[4 * i : 4 * i + 4], "little"),
                strong[width * i : width * i + width],
            )
            for i in range(len(weak) // 4)
        ]
        self.keys, self.width, self.block = keys, width, block
        self.found = dict.fromkeys(keys)
        self.groups = {weak: set() for weak, _ in keys}
        for key in keys:
            self.groups[key[0]].add(key)
        self.ratio = 8 + len(self.found) * block // 2**31
        self.hashed = 0

    def scan(self, data, base, done=-1):
        early = base if done < 0 else done
        self.failed, self.vain, self.counted, position = Counter(), 0, set(), 0
        self.counted |= {key for key, at in self.found.items() if at is not None and at < early}
        while position <= len(data) - self.block:
            if self.check(data, position, base):
                while self.check(data, position + self.block, base):
                    position += self.block
            position += 1

    def check(self, data, position, base):
        window = data[position : position + self.block]
        if len(window) < self.block:
            return False
        weak = weak_sum(window)
        group = self.groups.get(weak, set())
        if (len(group) <= 8 and group <= self.counted) or self.failed[weak] == 64:
            return False
        if self.vain >= 16 + position // self.block * self.ratio:
            return False
        self.hashed += 1
        key = weak, node_digest(window)[: self.width]
        if key not in self.found or key in self.counted:
            self.failed[weak] += 1
            self.vain += 1
            return False
        self.counted.add(key)
        before = self.found[key]
        self.found[key] = base + position if before is None else min(before, base + position)
        return True

    def state(self):
        places = [-1 if self.found[key] is None else self.found[key] for key in self.keys]
        return places, list(self.found.values()).count(None), self.hashed


def state(matcher):
    return offsets(matcher), matcher.pending, matcher.hashed


# Few letters and few lengths, so that runs, repeats and shifted copies are common.
pieces = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([1, 3, 200, 512, 700, 1024])), max_size=6
)


def assemble(parts, block):
    texts = [bytes(4 * block), b"abc" * (2 * block), noise(4 * block, 1), b"\x01" * (4 * block)]
    return b"".join(texts[kind][: size * (block // LEAF)] for kind, size in parts)


VARIANTS = ("avx512", "avx2", "portable")


def running_here():
    try:
        return import_module("pyzsync._kernel").simd_variants()
    except ImportError:
        return []


def test_the_list_of_variants_is_whole():
    assert set(running_here()) <= set(VARIANTS)


@pytest.fixture(scope="class", params=[*VARIANTS, "numpy"])
def kernel(request):
    if request.param == "numpy":
        yield import_module("pyzsync._numpy_kernel")
        return
    if request.param not in running_here():
        pytest.skip(f"{request.param} is not available here")
    chosen = import_module("pyzsync._kernel")
    before = chosen.simd()
    chosen.use_simd(request.param)
    assert chosen.simd() == request.param
    yield chosen
    chosen.use_simd(before)


class TestKernel:
    # ---- leaves, nodes, rows

    @given(st.binary(max_size=80), st.sampled_from([0, 1, 448, 500, 512, 1024, 1500]))
    def test_leaves(self, kernel, tail, head):
        data = noise(head) + tail
        assert kernel.hash_leaves(data) == leaf_hashes(data)

    @pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 511, 512, 513, 1024])
    def test_leaves_at_the_edges(self, kernel, size):
        data = noise(size)
        assert kernel.hash_leaves(data) == leaf_hashes(data)

    def test_leaves_of_a_long_buffer(self, kernel):
        data = noise(2_000_003)
        assert kernel.hash_leaves(data) == leaf_hashes(data)

    def test_golden_leaf(self, kernel):
        weak, strong = kernel.hash_leaves(b"abc")
        assert weak.hex() == "06caf934"
        assert strong.hex() == "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_buffer(self, kernel, kind):
        assert kernel.hash_leaves(kind(noise(700))) == leaf_hashes(noise(700))

    def test_arrays_are_buffers(self, kernel):
        table = np.frombuffer(noise(4000), "<u4").reshape(10, 100)
        assert kernel.hash_leaves(table) == leaf_hashes(noise(4000))

    @pytest.mark.parametrize("data", ["text", 5, None])
    def test_what_is_no_buffer_is_refused(self, kernel, data):
        with pytest.raises(TypeError):
            kernel.hash_leaves(data)

    @given(st.integers(0, 30), st.integers(0, 511))
    def test_nodes(self, kernel, leaves, tail):
        data = noise(leaves * LEAF + tail, leaves)
        weak, strong = kernel.hash_leaves(data)
        size = LEAF
        for _ in range(3):
            weak, strong = kernel.hash_nodes(weak, strong, size, len(data))
            size *= FANOUT
            nodes = [data[at : at + size] for at in range(0, len(data), size)]
            assert np.frombuffer(weak, "<u4").tolist() == [weak_sum(node) for node in nodes]
            assert len(strong) == 32 * len(nodes)
        full = [i for i, node in enumerate(nodes) if len(node) == size]
        assert all(strong[32 * i : 32 * i + 32] == node_digest(nodes[i]) for i in full)

    def test_an_only_child_makes_a_node(self, kernel):
        weak, strong = kernel.hash_leaves(b"abc")
        assert kernel.hash_nodes(weak, strong, LEAF, 3) == (weak, blake3(strong).digest())

    def test_nodes_of_a_terabyte(self, kernel):
        weak, child = noise(12), 2**38
        parent, _ = kernel.hash_nodes(weak, noise(96), child, 2 * child + 5)
        a, b, c = np.frombuffer(weak, "<u4").tolist()
        expected = (a * power(child + 5) + b * power(5) + c) % 2**32
        assert int.from_bytes(parent, "little") == expected

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((b"123", b"", 512, 0), "weak must hold 4 bytes for each block"),
            ((b"", b"", 0, 0), "child_size must be positive and length not negative"),
            ((b"", b"", 512, -1), "child_size must be positive and length not negative"),
            ((b"", b"", 512, 1), "weak must hold 4 bytes for each child"),
            ((bytes(8), bytes(64), 512, 512), "weak must hold 4 bytes for each child"),
            ((bytes(4), bytes(31), 512, 512), "strong must hold 32 bytes for each child"),
            ((bytes(4), bytes(33), 512, 512), "strong must hold 32 bytes for each child"),
        ],
    )
    def test_nodes_of_wrong_sizes(self, kernel, arguments, message):
        with pytest.raises(ValueError, match=message):
            kernel.hash_nodes(*arguments)

    @given(st.lists(st.booleans(), max_size=40), st.sampled_from([1, 4, 11, 20, 32]))
    def test_equal_rows(self, kernel, equal, width):
        left = noise(width * len(equal))
        right = bytearray(left)
        for row, same in enumerate(equal):
            right[row * width + row % width] ^= not same
        assert kernel.equal_rows(left, right, width) == bytes(equal)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((b"", b"", 0), "width must be positive and divide the rows"),
            ((b"abc", b"abc", 2), "width must be positive and divide the rows"),
            ((b"abcd", b"ab", 2), "a and b must be equally long"),
        ],
    )
    def test_rows_of_wrong_sizes(self, kernel, arguments, message):
        with pytest.raises(ValueError, match=message):
            kernel.equal_rows(*arguments)

    # ---- the join

    @given(st.data(), st.sampled_from([4, 5, 8, 11, 20, 32]), st.sampled_from([4, 8, 13, 20, 32]))
    def test_join_is_the_model(self, kernel, data, width, old_width):
        # Few weak sums, and strong hashes that differ in one of the first bytes or the last one.
        def rows(width):
            strong = st.sampled_from([0, 3, width - 1]).flatmap(
                lambda at: st.integers(0, 2).map(
                    lambda value: bytes(at) + bytes([value]) + bytes(width - 1 - at)
                )
            )
            return st.lists(st.tuples(st.sampled_from([0, 7, 2**32 - 1]), strong), max_size=80)

        wanted, old = data.draw(rows(width)), data.draw(rows(old_width))
        if data.draw(st.booleans()):  # runs that are the same in both
            old += [(weak, strong[:old_width].ljust(old_width, b"\0")) for weak, strong in wanted]
        flags = bytes(
            data.draw(st.lists(st.integers(0, 1), min_size=len(wanted), max_size=len(wanted)))
        )
        join = kernel.Join(flags, *columns(wanted, width))
        cut = data.draw(st.integers(0, len(old)))
        join.feed(*columns(old[cut:], old_width), cut)
        join.feed(*columns(old[:cut], old_width), 0)
        assert places(join) == joined(flags, wanted, old, width, old_width)

    def test_moved_runs_of_many_nodes_are_found(self, kernel):
        count = 5000
        strong, weak = noise(8 * count), noise(4 * count, 1)
        order = np.concatenate((np.arange(2000, count), np.arange(2000)))
        moved = np.frombuffer(strong, np.uint8).reshape(-1, 8)[order].tobytes()
        join = kernel.Join(bytes([1]) * count, weak, strong, 8)
        join.feed(np.frombuffer(weak, "<u4")[order].tobytes(), moved, 8, 0)
        assert places(join) == np.argsort(order).tolist()

    def test_what_is_not_wanted_hides_no_equal_node(self, kernel):
        rows = [(1, b"aaaa"), (2, b"bbbb"), (2, b"bbbb")]
        join = kernel.Join(b"\1\0\1", *columns(rows, 4))
        join.feed(*columns([(1, b"aaaa"), (2, b"bbbb"), (2, b"bbbb")], 4), 5)
        assert places(join) == [5, -1, 6]

    def test_nothing_to_join(self, kernel):
        join = kernel.Join(b"", b"", b"", 4)
        join.feed(bytes(4), bytes(4), 4, 0)
        join.feed(b"", b"", 4, 0)
        assert places(join) == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((b"", b"abc", b"", 4), "weak must hold 4 bytes for each block"),
            ((b"", b"", b"", 3), "width must be 4 to 32"),
            ((b"", b"", b"", 33), "width must be 4 to 32"),
            ((b"1", bytes(4), b"abc", 4), "strong must hold width bytes for each node"),
            ((b"1", bytes(4), bytes(8), 4), "strong must hold width bytes for each node"),
            ((b"", bytes(4), bytes(4), 4), "flags must hold a byte for each node"),
        ],
    )
    def test_joined_columns_of_wrong_sizes(self, kernel, arguments, message):
        with pytest.raises(ValueError, match=message):
            kernel.Join(*arguments)
        join = kernel.Join(b"", b"", b"", 4)
        if "flags" not in message:
            with pytest.raises(ValueError, match=message):
                join.feed(*arguments[1:], 0)

    # ---- levels at once

    @pytest.mark.parametrize("size", [1, 511, 512, 513, 2048, 2049, 8192, 40_000])
    @pytest.mark.parametrize(("base", "last"), [(0, 4), (2, 4), (4, 4), (0, 20)])
    @pytest.mark.parametrize("width", [1, 20, 32])
    def test_levels_at_once_are_those_one_by_one(self, kernel, size, base, last, width):
        data = noise(size)
        weak, strong = kernel.hash_leaves(data)
        sums, digests, single = [], [], []
        for level in range(last + 1):
            if level:
                weak, strong = kernel.hash_nodes(weak, strong, LEAF * 4 ** (level - 1), size)
            if level >= base:
                sums.append(weak)
                digests += [strong[i : i + width] for i in range(0, len(strong), 32)]
            single += [strong] if len(strong) == 32 else []
        expected = (b"".join(sums), b"".join(digests), single[-1], single[0])
        assert kernel.hash_levels(data, base, last, width) == expected

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((b"x", -1, 3, 20), "levels must be"),
            ((b"x", 3, 2, 20), "levels must be"),
            ((b"x", 0, 21, 20), "levels must be"),
            ((b"x", 0, 3, 0), "width must be 1 to 32"),
            ((b"x", 0, 3, 33), "width must be 1 to 32"),
            ((b"", 0, 3, 20), "data must have a byte or more"),
            ((bytes(513), 0, 0, 20), "no more than a node of level last"),
            ((bytes(32769), 0, 3, 20), "no more than a node of level last"),
        ],
    )
    def test_levels_of_wrong_sizes(self, kernel, arguments, message):
        with pytest.raises(ValueError, match=message):
            kernel.hash_levels(*arguments)

    # ---- runs

    @given(st.data(), st.sampled_from([4, 8, 20]), st.sampled_from([4, 13, 20]))
    def test_extended_runs_are_the_model(self, kernel, data, width, old_width):
        pool = [(value % 5, bytes([value]) * 20) for value in range(12)]
        rows = st.lists(st.tuples(st.integers(0, 11), st.integers(1, 6)), max_size=12).map(
            lambda runs: [row for at, size in runs for row in pool[at : at + size]]
        )
        new, old = data.draw(rows), data.draw(rows)
        wanted = [(weak, strong[:width]) for weak, strong in new]
        have = [(weak, strong[:old_width]) for weak, strong in old]
        each = {"min_size": len(new), "max_size": len(new)}
        flags = bytes(data.draw(st.lists(st.sampled_from([0, 1, 1]), **each)))
        known = st.sampled_from([-1, -1, -1, *range(len(old))])
        places = data.draw(st.lists(known, **each))
        got = kernel.extend_runs(
            np.array(places, "<i4").tobytes(),
            flags,
            *columns(wanted, width),
            *columns(have, old_width),
        )
        expected = extended(places, flags, wanted, have, width, old_width)
        assert np.frombuffer(got, "<i4").tolist() == expected

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((bytes(4), b"1", bytes(3), b"", 4), "weak must hold 4 bytes for each block"),
            ((bytes(4), b"1", bytes(4), bytes(3), 3), "width must be 4 to 32"),
            ((bytes(4), b"", bytes(4), bytes(4), 4), "flags and places must hold a byte and four"),
            ((bytes(5), b"1", bytes(4), bytes(4), 4), "flags and places must hold a byte and four"),
            ((b"\1\0\0\0", b"1", bytes(4), bytes(4), 4), "a place is out of range"),
            ((b"\xfe\xff\xff\xff", b"1", bytes(4), bytes(4), 4), "a place is out of range"),
        ],
    )
    def test_runs_of_wrong_sizes(self, kernel, arguments, message):
        old = bytes(4), bytes(4), 4
        with pytest.raises(ValueError, match=message):
            kernel.extend_runs(*arguments, *old)
        with pytest.raises(ValueError, match="strong must hold width bytes for each node"):
            kernel.extend_runs(bytes(4), b"1", *old, bytes(4), bytes(5), 4)

    @pytest.mark.parametrize("place", [-1, 2**31 - 2, 2**40])
    def test_places_beyond_31_bits_are_refused(self, kernel, place):
        join = kernel.Join(b"", b"", b"", 4)
        join.feed(bytes(4), bytes(4), 4, 2**31 - 3)
        with pytest.raises(ValueError, match="place is out of range"):
            join.feed(bytes(4), bytes(4), 4, place)

    # ---- the search: results

    @given(pieces, pieces, st.sampled_from([LEAF, LEAF * FANOUT]), st.sampled_from([-1, 0, 700]))
    @settings(max_examples=40)
    def test_search_is_the_model(self, kernel, new, old, block, done):
        new, old = assemble(new, block), assemble(old, block)
        blocks = [new[at : at + block] for at in range(0, len(new) - block + 1, block)]
        matcher, model = kernel.Matcher(*wanted(blocks), block), Model(*wanted(blocks), block)
        half = len(old) // 2
        for start, stop in ((0, half), (max(0, half - block + 1), len(old))):
            matcher.scan(old[start:stop], start, done)
            model.scan(old[start:stop], start, done)
        assert state(matcher) == model.state()

    @given(st.integers(0, 3000), st.integers(0, 3))
    def test_every_block_is_found_at_any_shift(self, kernel, shift, level):
        block = LEAF * FANOUT**level
        new = noise(3 * block)
        blocks = [new[at : at + block] for at in range(0, len(new), block)]
        matcher = kernel.Matcher(*wanted(blocks), block)
        matcher.scan(noise(shift, 9) + new, 0)
        assert offsets(matcher) == [shift, shift + block, shift + 2 * block]
        assert (matcher.pending, matcher.hashed) == (0, 3)

    def test_a_block_of_two_mebibytes(self, kernel):
        block = noise(LEAF * FANOUT**6)
        matcher = kernel.Matcher(*wanted([block]), len(block))
        matcher.scan(b"shift" + block + b"tail", 0)
        assert offsets(matcher) == [5]

    def test_long_data_in_one_piece(self, kernel):
        new = noise(400_000)
        blocks = [new[at : at + LEAF] for at in range(0, 399_360, LEAF)]
        old = new[:100_000] + b"!" + new[150_001:] + new[100_000:150_000]
        matcher = kernel.Matcher(*wanted(blocks), LEAF)
        matcher.scan(old, 0)
        for block, offset in zip(blocks, offsets(matcher), strict=True):
            assert offset < 0 or old[offset : offset + LEAF] == block
        assert matcher.pending <= 2

    def test_duplicates_share_one_find(self, kernel):
        a, b = noise(LEAF, 1), noise(LEAF, 2)
        matcher = kernel.Matcher(*wanted([a, b, a, a, b]), LEAF)
        assert matcher.pending == 2
        matcher.scan(b"x" + b, 0)
        assert (offsets(matcher), matcher.pending) == ([-1, 1, -1, -1, 1], 1)
        matcher.scan(a, 100)
        assert (offsets(matcher), matcher.pending) == ([100, 1, 100, 100, 1], 0)

    def test_only_the_strong_hash_decides(self, kernel):
        block = noise(LEAF)
        weak, _, width = wanted([block])
        matcher = kernel.Matcher(weak, noise(width), width, LEAF)
        matcher.scan(block, 0)
        assert (offsets(matcher), matcher.pending, matcher.hashed) == ([-1], 1, 1)

    @pytest.mark.parametrize("width", [1, 5, 32])
    def test_any_width(self, kernel, width):
        blocks = [noise(LEAF, seed) for seed in range(4)]
        matcher = kernel.Matcher(*wanted(blocks, width), LEAF)
        matcher.scan(b"".join(reversed(blocks)), 0)
        assert offsets(matcher) == [1536, 1024, 512, 0]

    def test_offsets_have_64_bits(self, kernel):
        block = noise(LEAF)
        for base in (2**40 + 3, 2**63 - 1 - LEAF):
            matcher = kernel.Matcher(*wanted([block]), LEAF)
            matcher.scan(block, base)
            assert offsets(matcher) == [base]

    @pytest.mark.parametrize("base", [-1, 2**63 - LEAF])
    def test_offsets_beyond_64_bits_are_refused(self, kernel, base):
        matcher = kernel.Matcher(*wanted([noise(LEAF)]), LEAF)
        with pytest.raises(ValueError, match="base must not be negative, nor base \\+ len"):
            matcher.scan(noise(LEAF), base)

    def test_nothing_wanted(self, kernel):
        matcher = kernel.Matcher(b"", b"", WIDTH, LEAF)
        matcher.scan(noise(5000), 0)
        assert (offsets(matcher), matcher.pending, matcher.hashed) == ([], 0, 0)

    @pytest.mark.parametrize("size", [0, 1, LEAF - 1])
    def test_data_shorter_than_a_block(self, kernel, size):
        matcher = kernel.Matcher(*wanted([bytes(LEAF)]), LEAF)
        matcher.scan(bytes(size), 0)
        assert state(matcher) == ([-1], 1, 0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((b"123", b"", 5, LEAF), "weak must hold 4 bytes for each block"),
            ((b"", b"", 0, LEAF), "width must be 1 to 32"),
            ((b"", b"", 33, LEAF), "width must be 1 to 32"),
            ((b"1234", b"1234", 5, LEAF), "strong must hold width bytes for each block"),
            ((b"1234", b"123456", 5, LEAF), "strong must hold width bytes for each block"),
            *[
                ((b"", b"", 5, block), "block must be a leaf's size times a power of the fanout")
                for block in (-1, 0, 1, 128, LEAF - 1, LEAF + 1, 2 * LEAF, 2**63 - 1)
            ],
        ],
    )
    def test_wanted_blocks_of_wrong_sizes(self, kernel, arguments, message):
        with pytest.raises(ValueError, match=message):
            kernel.Matcher(*arguments)

    # ---- the search: cost

    def test_a_found_block_is_not_hashed_again(self, kernel):
        matcher = kernel.Matcher(*wanted([bytes(LEAF), noise(LEAF)]), LEAF)
        matcher.scan(bytes(1_000_000), 0)
        assert (offsets(matcher), matcher.hashed) == ([0, -1], 1)
        matcher.scan(bytes(1_000_000), 10**6)
        assert matcher.hashed == 1

    def test_each_phase_of_periodic_data_is_hashed_once(self, kernel):
        data = b"0123456" * 100_000
        blocks = [data[at : at + LEAF] for at in range(0, 100 * LEAF, LEAF)]
        matcher = kernel.Matcher(*wanted(blocks), LEAF)
        assert matcher.pending == 7
        matcher.scan(data, 0)
        assert (matcher.pending, matcher.hashed) == (0, 7)

    def test_found_blocks_do_not_hide_what_overlaps_their_copies(self, kernel):
        text = noise(3 * LEAF)
        blocks = text[:LEAF], text[LEAF : 2 * LEAF], text[100 : 100 + LEAF]
        for done, expected in ((-1, 10_100), (10_000, 10_100), (0, -1)):
            matcher = kernel.Matcher(*wanted(blocks), LEAF)
            matcher.scan(text[: 2 * LEAF], 0, 0)
            found = offsets(matcher)
            matcher.scan(text, 10_000, done)
            assert (found, offsets(matcher)) == ([0, LEAF, -1], [0, LEAF, expected])

    def test_the_last_match_of_a_run_hides_nothing(self, kernel):
        text = noise(3 * LEAF)
        matcher = kernel.Matcher(*wanted([text[:LEAF], text[100 : 100 + LEAF]]), LEAF)
        matcher.scan(text, 0)
        assert (offsets(matcher), matcher.hashed) == ([0, 100], 2)

    def test_a_found_block_of_a_crowd_is_hashed_in_vain(self, kernel):
        blocks = equal_weak_blocks(10)
        # The first of the four is tried twice: behind the match before it, and then by rolling.
        for count, hashed in ((8, 8), (9, 9 + 5)):
            matcher = kernel.Matcher(*wanted(blocks[:count]), LEAF)
            matcher.scan(b"".join([*blocks[:count], *blocks[:4]]), 0)
            assert (matcher.pending, matcher.hashed) == (0, hashed)

    def test_blocks_of_one_weak_sum_are_all_found(self, kernel):
        blocks = equal_weak_blocks(200)
        assert len(set(blocks)) == 200
        assert len({weak_sum(block) for block in blocks}) == 1
        matcher = kernel.Matcher(*wanted(blocks), LEAF)
        matcher.scan(b"".join(reversed(blocks)), 0)
        assert (matcher.pending, matcher.hashed) == (0, 200)
        assert offsets(matcher) == [LEAF * i for i in reversed(range(200))]

    @pytest.mark.parametrize("bases", [(0, 5000), (5000, 0)])
    def test_the_least_offset_stays(self, kernel, bases):
        block, other = equal_weak_blocks(2)
        matcher = kernel.Matcher(*wanted([block, other]), LEAF)
        for base in bases:
            matcher.scan(3 * block, base)
        assert (offsets(matcher), matcher.pending) == ([0, -1], 1)

    def test_neighbouring_weak_sums_are_found_in_any_order(self, kernel):
        # They share a slot of the filter, which must outlive all but the last of them.
        body = noise(LEAF - 1)
        blocks = [body + bytes([last]) for last in range(200)]
        assert weak_sum(blocks[0]) >> 16 == weak_sum(blocks[-1]) >> 16
        matcher = kernel.Matcher(*wanted(blocks), LEAF)
        order = [*(i for i in range(1, 199) if i != 100), 100, 0, 199]
        matcher.scan(b"".join(blocks[i] for i in order), 0)
        assert (matcher.pending, matcher.hashed) == (0, 200)
        assert [offsets(matcher)[i] for i in order] == [LEAF * i for i in range(200)]

    def test_a_weak_sum_that_keeps_failing_is_given_up_for_the_call(self, kernel):
        *others, block = equal_weak_blocks(65)
        for count, expected in ((63, 8192 + 63 * LEAF), (64, -1)):
            matcher = kernel.Matcher(*wanted([block]), LEAF)
            data = noise(8192) + b"".join([*others[:count], block])
            matcher.scan(data, 0)
            assert (offsets(matcher), matcher.hashed) == ([expected], 64)
        matcher.scan(block, 10**6)
        assert offsets(matcher) == [10**6]

    def test_one_crafted_sum_does_not_hide_another_block(self, kernel):
        block = noise(LEAF)
        weak, _, width = wanted([block])
        strong = noise(width) + node_digest(block)[:width]
        matcher = kernel.Matcher(bytes(4) + weak, strong, width, LEAF)
        matcher.scan(bytes(100_000) + block, 0)
        # At first 16 may be hashed in vain, then 8 for each block's length.
        assert (offsets(matcher), matcher.hashed) == ([-1, 100_000], 65)

    def test_many_crafted_sums_cost_a_bounded_number_of_hashes(self, kernel):
        data = noise(9000)
        weak = [weak_sum(data[at : at + LEAF]) for at in range(len(data) - LEAF + 1)]
        arguments = np.array(weak, "<u4").tobytes(), noise(WIDTH * len(weak)), WIDTH, LEAF
        matcher, model = kernel.Matcher(*arguments), Model(*arguments)
        for part in (data[:6000], data[6000 - LEAF + 1 :]):
            matcher.scan(part, 0)
            model.scan(part, 0)
        assert state(matcher) == model.state()
        assert matcher.hashed <= 2 * 16 + 8 * len(data) // LEAF

    @pytest.mark.parametrize(("count", "hashed"), [(1, 16 + 8), (40 * 1024, 16 + 48)])
    def test_where_more_is_wanted_more_may_be_hashed_in_vain(self, kernel, count, hashed):
        block = LEAF * FANOUT**6  # 80 GiB are wanted: chance makes 20 for each block's length
        weak = np.arange(count, dtype="<u4").tobytes()
        matcher = kernel.Matcher(weak, noise(WIDTH * count), WIDTH, block)
        matcher.scan(bytes(2 * block + 100), 0)
        assert (matcher.pending, matcher.hashed) == (count, hashed)

    def test_many_wanted_blocks_of_one_weak_sum(self, kernel):
        count = 50_000
        strong = np.arange(count, dtype=">u8").tobytes()
        matcher = kernel.Matcher(bytes(4 * count), strong, 8, LEAF)
        matcher.scan(bytes(10_000), 0)
        assert (matcher.pending, matcher.hashed) == (count, 64)

    # ---- many

    def test_a_few_of_a_million_wanted_blocks(self, kernel):
        # So many that what passes the filter is looked for in a second one.
        count, width = (1 << 20) + 500, 8
        weak = np.frombuffer(noise(4 * count, 2), "<u4").copy()
        strong = np.frombuffer(noise(width * count, 3), np.uint8).reshape(-1, width).copy()
        old = noise(200 * LEAF, 4)
        places, at = list(range(0, count, count // 99))[:99], list(range(0, 99 * LEAF, LEAF))
        for place, start in zip(places, at, strict=True):
            block = old[start + 7 : start + 7 + LEAF]
            weak[place] = weak_sum(block)
            strong[place] = np.frombuffer(blake3(block).digest(), np.uint8)[:width]
        matcher = kernel.Matcher(weak.tobytes(), strong.tobytes(), width, LEAF)
        matcher.scan(old, 0)
        found = np.frombuffer(matcher.offsets(), "<i8")
        assert np.flatnonzero(found >= 0).tolist() == places
        assert found[places].tolist() == [start + 7 for start in at]

    # ---- ranges

    @given(
        pieces, pieces, st.lists(st.integers(0, 5000), max_size=8), st.sampled_from([-1, 0, 700])
    )
    @settings(max_examples=40)
    def test_ranges_are_scans_of_their_own(self, kernel, new, old, cuts, done):
        new, old = assemble(new, LEAF), assemble(old, LEAF)
        blocks = [new[at : at + LEAF] for at in range(0, len(new) - LEAF + 1, LEAF)]
        one, all_at_once = (kernel.Matcher(*wanted(blocks), LEAF) for _ in range(2))
        ranges = list(zip(sorted(cuts), sorted(cuts)[1:], strict=False))
        for start, stop in ranges:
            one.scan(old[start:stop], 1000 + start, done)
        packed = (np.array(ranges, "<i8").reshape(-1, 2) + 1000).tobytes()
        all_at_once.scan_ranges(old, 1000, packed, done)
        assert state(all_at_once) == state(one)

    @pytest.mark.parametrize(
        ("ranges", "message"),
        [
            (bytes(15), "ranges must hold 16 bytes for each range"),
            (np.array([6, 9, 4, 9], "<i8").tobytes(), "a range must not begin before base"),
            (np.array([7, 6], "<i8").tobytes(), "nor end before it begins"),
        ],
    )
    def test_ranges_out_of_order(self, kernel, ranges, message):
        matcher = kernel.Matcher(*wanted([noise(LEAF)]), LEAF)
        with pytest.raises(ValueError, match=message):
            matcher.scan_ranges(bytes(2 * LEAF), 5, ranges)

    # ---- threads

    def test_other_threads_run_meanwhile(self, kernel):
        # The interval is so long that only a call which gives up the GIL lets this thread see its
        # middle. It may miss one, so several are made: all are missed only if none gives it up.
        data, interval = noise(4 << 20), sys.getswitchinterval()
        sys.setswitchinterval(1000)
        try:
            assert any(self.seen_in_the_middle(kernel, data) for _ in range(50))
        finally:
            sys.setswitchinterval(interval)

    @staticmethod
    def seen_in_the_middle(kernel, data):
        started, done = threading.Event(), threading.Event()

        def work():
            started.set()
            kernel.hash_leaves(data)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        seen = not done.is_set()
        thread.join()
        return seen

    def test_threads_share_a_matcher(self, kernel):
        new = noise(64 * LEAF)
        blocks = [new[at : at + LEAF] for at in range(0, len(new), LEAF)]
        matcher = kernel.Matcher(*wanted(blocks), LEAF)
        quarters = [new[at : at + 16 * LEAF] for at in range(0, len(new), 16 * LEAF)]
        threads = [
            threading.Thread(target=matcher.scan, args=(quarter, i * 16 * LEAF))
            for i, quarter in enumerate(quarters)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert offsets(matcher) == [LEAF * i for i in range(64)]
        assert (matcher.pending, matcher.hashed) == (0, 64)

    # ---- shape

    def test_signatures_are_those_of_the_twin(self, kernel):
        twin = import_module("pyzsync._numpy_kernel")
        for name in (
            "hash_leaves",
            "hash_nodes",
            "hash_levels",
            "equal_rows",
            "extend_runs",
            "Join",
            "Matcher",
        ):
            ours, theirs = (inspect.signature(getattr(k, name)) for k in (kernel, twin))
            assert list(ours.parameters) == list(theirs.parameters)
        methods = [
            ("Matcher", "scan"),
            ("Matcher", "offsets"),
            ("Join", "feed"),
            ("Join", "places"),
        ]
        for name, method in methods:
            classes = (getattr(k, name) for k in (kernel, twin))
            ours, theirs = (inspect.signature(getattr(each, method)) for each in classes)
            assert list(ours.parameters) == list(theirs.parameters)

    def test_arguments_have_no_keywords(self, kernel):
        with pytest.raises(TypeError):
            kernel.hash_leaves(data=b"")
        with pytest.raises(TypeError):
            kernel.Matcher(b"", b"", 5, block=LEAF)
        with pytest.raises(TypeError):
            kernel.Join(b"", b"", b"", width=4)


def test_the_multiplier_has_an_inverse():
    assert B % 2 == 1
