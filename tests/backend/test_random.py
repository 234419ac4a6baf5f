"""The one random generator: seeded, saved and restored."""

import json

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.backend import random


def draw():
    """Numbers of all the kinds that the package draws; odd counts of float32 leave half a word buffered in the generator."""
    g = random.generator()
    return [*g.random(3, dtype=np.float32), *g.standard_normal(2), *g.permutation(7), *g.random(5, dtype=np.float32)]


def test_a_seed_fixes_what_follows_and_another_gives_another():
    mt.manual_seed(5)
    first, second = draw(), draw()
    assert first != second
    mt.manual_seed(5)
    assert draw() == first
    mt.manual_seed(6)
    assert draw() != first


def test_the_seed_in_force_can_be_asked_for():
    mt.manual_seed(np.int64(123))
    assert random.seed() == 123 and type(random.seed()) is int
    mt.manual_seed(2**64)
    assert random.seed() == 2**64


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True])
def test_a_seed_that_is_none_is_refused_and_changes_nothing(seed):
    mt.manual_seed(5)
    with pytest.raises(ValueError, match="manual_seed: the seed must be an integer from 0 on, got "):
        mt.manual_seed(seed)
    after = draw()
    mt.manual_seed(5)
    assert draw() == after and random.seed() == 5


def test_a_state_survives_json_and_goes_on_from_where_it_was_taken():
    mt.manual_seed(9)
    draw()
    state = json.loads(json.dumps(random.get_state()))
    expected = draw()
    mt.manual_seed(1)
    random.set_state(state)
    assert draw() == expected and random.seed() == 9


def test_a_state_is_not_changed_by_drawing():
    mt.manual_seed(9)
    state = random.get_state()
    before = json.dumps(state)
    draw()
    assert json.dumps(state) == before


def test_numpys_own_generator_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    mt.manual_seed(0)
    draw()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# many numbers -----------------------------------------------------------------------------------------------------------


def normal(generator, n):
    return generator.normal(3.0, 2.0, n)


def test_few_numbers_are_those_of_the_generator_itself():
    mt.manual_seed(5)
    expected = random.generator().normal(3.0, 2.0, (4, 5))
    mt.manual_seed(5)
    array = np.empty((4, 5), np.float32)
    random.fill(array, normal)
    assert np.array_equal(array, expected.astype(np.float32))


@pytest.mark.parametrize("size", [random.BLOCK + 1, 3 * random.BLOCK, 2 * random.BLOCK + 7])
def test_many_numbers_are_the_same_with_any_number_of_threads(size):
    before, results = mt.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            mt.set_num_threads(threads)
            mt.manual_seed(5)
            array = np.full(size, np.nan, np.float32)
            random.fill(array, normal)
            results.append((array, random.generator().random()))
    finally:
        mt.set_num_threads(before)
    (first, after), *others = results
    assert all(np.array_equal(first, array) and after == later for array, later in others)
    assert np.isfinite(first).all()
    assert abs(first.mean(dtype=np.float64) - 3) < 5 * 2 / size**0.5
    assert abs(first.std(dtype=np.float64) - 2) < 5 * 2 / (2 * size) ** 0.5


def test_no_block_repeats_another_and_each_array_has_its_own():
    array, other = np.empty((2, 2 * random.BLOCK))
    random.fill(array, normal)
    random.fill(other, normal)
    assert len(np.unique(np.concatenate([array, other]))) == 4 * random.BLOCK


def test_an_array_that_is_not_contiguous_is_filled_too():
    for shape in ((3, 4), (2, random.BLOCK)):
        mt.manual_seed(5)
        expected = np.empty(shape)
        random.fill(expected, normal)
        mt.manual_seed(5)
        array = np.zeros(shape[::-1]).T
        random.fill(array, normal)
        assert np.array_equal(array, expected)
