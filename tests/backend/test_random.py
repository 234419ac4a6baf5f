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
