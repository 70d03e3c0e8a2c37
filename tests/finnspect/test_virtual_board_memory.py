"""Contiguous memory of the virtual board: ranges that never meet."""

import pytest
from finnspect.virtual_board.memory import BASE, PAGE, MemoryPool, OutOfMemoryError
from hypothesis import given, settings
from hypothesis import strategies as st


def test_ranges_are_pages_with_a_hole_between():
    pool = MemoryPool()
    assert pool.take(1) == (BASE, PAGE)
    assert pool.take(PAGE + 1) == (BASE + 2 * PAGE, 2 * PAGE)
    assert pool.taken_bytes == 3 * PAGE
    pool.give_back(BASE)
    assert pool.take(PAGE) == (BASE, PAGE)


def test_a_full_pool_says_how_full():
    pool = MemoryPool(size=4 * PAGE)
    pool.take(2 * PAGE)
    with pytest.raises(OutOfMemoryError, match="8192 of 16384 bytes are taken by 1 buffers"):
        pool.take(2 * PAGE)
    pool.take(PAGE)


def test_giving_back_twice_is_a_mistake():
    pool = MemoryPool()
    pool.take(1)
    pool.give_back(BASE)
    with pytest.raises(KeyError):
        pool.give_back(BASE)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5 * PAGE)), max_size=60))
def test_ranges_never_meet(steps):
    pool = MemoryPool(base=0x1000, size=40 * PAGE)
    taken = {}
    for take, size in steps:
        if take:
            try:
                address, length = pool.take(size)
            except OutOfMemoryError:
                continue
            assert length >= max(size, 1) and address % PAGE == length % PAGE == 0
            assert address >= 0x1000 and address + length <= 0x1000 + 40 * PAGE
            for other, other_length in taken.items():
                assert address + length < other or other + other_length < address
            taken[address] = length
        elif taken:
            address = sorted(taken)[size % len(taken)]
            pool.give_back(address)
            del taken[address]
    assert pool.taken_bytes == sum(taken.values())
