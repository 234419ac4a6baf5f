"""Transforms of transforms: which are applied, how often, to whom."""

import re
from itertools import combinations, product

import numpy as np
import pytest

from minitorch_cnn import augment as A
from minitorch_cnn.augment.draws import Draws
from minitorch_cnn.augment.transform import Transform

MANY = 6000


class Mark(Transform):
    """Appends its digit to what the image holds, so that the image tells what was applied, and in which order."""

    def __init__(self, digit, p=1.0, numbers=1):
        super().__init__(p)
        self.digit, self.numbers = digit, numbers

    def draw(self, draws):
        return {"numbers": draws.numbers(self.numbers)}

    def change(self, batch, params):
        batch.finish()
        applied = params["applied"][:, None, None, None]
        batch.images = np.where(applied, 10 * batch.images + self.digit, batch.images)


def marks(recipe, N=MANY, seed=0):
    """(N,) what was applied to each sample, as decimal digits in order."""
    out = recipe(np.zeros((N, 1, 1, 1)), seed=seed)
    return out[:, 0, 0, 0].astype(int)


def shares(values):
    kinds, counts = np.unique(values, return_counts=True)
    return dict(zip(kinds.tolist(), (counts / len(values)).tolist()))


def assert_shares(got, expected):
    assert set(got) == {k for k, share in expected.items() if share}
    for kind, share in got.items():
        assert abs(share - expected[kind]) <= 4 * np.sqrt(expected[kind] * (1 - expected[kind]) / MANY), (kind, share)


# Compose --------------------------------------------------------------------------------------------------------------


def test_compose_applies_all_in_order():
    assert (marks(A.Compose([Mark(1), Mark(2), Mark(3)]), 5) == 123).all()
    assert (marks(A.Compose([Mark(1), A.Compose([Mark(2), A.Compose([Mark(3)])]), Mark(4)]), 5) == 1234).all()


def test_each_of_compose_s_transforms_has_its_own_chance():
    got = shares(marks(A.Compose([Mark(1, 0.3), Mark(2, 0.6)])))
    assert_shares(got, {0: 0.7 * 0.4, 1: 0.3 * 0.4, 2: 0.7 * 0.6, 12: 0.3 * 0.6})


def test_compose_s_p_is_for_all_of_them_together():
    got = shares(marks(A.Compose([Mark(1), Mark(2, 0.5)], p=0.4)))
    assert_shares(got, {0: 0.6, 1: 0.2, 12: 0.2})
    assert (marks(A.Compose([Mark(1)], p=0), 50) == 0).all()


def test_random_apply_is_all_or_nothing():
    assert_shares(shares(marks(A.RandomApply([Mark(1), Mark(2)]))), {0: 0.5, 12: 0.5})
    assert_shares(
        shares(marks(A.RandomApply([Mark(1), A.RandomApply([Mark(2)], 0.25)], p=0.8))), {0: 0.2, 1: 0.6, 12: 0.2}
    )


# OneOf ----------------------------------------------------------------------------------------------------------------


def test_one_of_chooses_in_proportion_to_their_p():
    got = shares(marks(A.OneOf([Mark(1, 0.1), Mark(2, 0.4), Mark(3, 0.0), Mark(4, 0.5)], p=1)))
    assert_shares(got, {1: 0.1, 2: 0.4, 3: 0.0, 4: 0.5})
    got = shares(marks(A.OneOf([Mark(1, 1.0), Mark(2, 0.5)])))
    assert_shares(got, {0: 0.5, 1: 1 / 3, 2: 1 / 6})


def test_one_of_applies_the_chosen_one_for_certain():
    """Its p is the weight of the choice, not one more chance."""
    assert set(marks(A.OneOf([Mark(1, 0.01), Mark(2, 0.01)], p=1), 500)) == {1, 2}
    assert set(marks(A.OneOf([A.Compose([Mark(1), Mark(2)], p=0.01)], p=1), 500)) == {12}
    assert set(marks(A.OneOf([A.OneOf([Mark(1), Mark(2)], p=0.3)], p=1), 500)) == {1, 2}


def test_what_is_inside_of_the_chosen_one_keeps_its_chance():
    got = shares(marks(A.OneOf([A.Compose([Mark(1, 0.25)]), Mark(2)], p=1)))
    assert_shares(got, {0: 0.375, 1: 0.125, 2: 0.5})


def test_one_of_says_what_it_chose():
    recipe = A.OneOf([Mark(1), Mark(2, 0.5), Mark(3)], p=0.6)
    params = recipe.sample(np.arange(300))
    out = recipe.apply(np.zeros((300, 1, 1, 1)), params)[:, 0, 0, 0]
    assert np.array_equal(out, np.where(params["applied"], params["choice"] + 1, 0))


# SomeOf ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_some_of_takes_n_different_ones_each_set_as_likely_in_the_lists_order(n):
    sets = [int("".join(map(str, c))) for c in combinations((1, 2, 3, 4), n)]
    got = shares(marks(A.SomeOf([Mark(k) for k in (1, 2, 3, 4)], n=n)))
    assert_shares(got, dict.fromkeys(sets, 1 / len(sets)))


def test_some_of_applies_what_it_took():
    assert set(marks(A.SomeOf([Mark(1), Mark(2)], n=2), 300)) == {12}
    assert_shares(shares(marks(A.SomeOf([Mark(1, 0.5), Mark(2)], n=2))), {2: 0.5, 12: 0.5})
    assert_shares(shares(marks(A.SomeOf([Mark(1), Mark(2)], n=1, p=0.6))), {0: 0.4, 1: 0.3, 2: 0.3})


# nesting, restriction, streams ----------------------------------------------------------------------------------------

INNER = {
    "Compose": lambda: A.Compose([Mark(1, 0.5), Mark(2)], p=0.7),
    "OneOf": lambda: A.OneOf([Mark(1), Mark(2), A.Compose([Mark(3, 0.5), Mark(4)])], p=0.8),
    "SomeOf": lambda: A.SomeOf([Mark(1), Mark(2), A.OneOf([Mark(3), Mark(4)], p=0.5)], n=2, p=0.8),
    "RandomApply": lambda: A.RandomApply([Mark(1), A.SomeOf([Mark(2), Mark(3)])]),
    "deep": lambda: A.OneOf(
        [A.Compose([A.SomeOf([A.RandomApply([Mark(1)]), Mark(2)], 1), Mark(3, 0.4)]), Mark(4)], 0.9
    ),
}


@pytest.mark.parametrize("name", INNER)
def test_a_restricted_sample_is_as_it_was_and_others_as_they_would_be(name, rng):
    recipe, N = INNER[name](), 200
    images, params = np.zeros((N, 1, 1, 1)), recipe.sample(np.arange(N))
    mask = rng.random(N) < 0.5
    without = recipe.apply(images, params)
    restricted = {**params, "applied": params["applied"] & mask}
    out = recipe.apply(images, restricted)
    assert np.array_equal(out, np.where(mask[:, None, None, None], without, images))
    assert np.array_equal(recipe.apply(images, params), without), "the parameters themselves stay"
    nothing = {**params, "applied": np.zeros(N, bool)}
    assert not recipe.apply(images, nothing).any()


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("always", [False, True])
def test_how_many_numbers_are_taken_does_not_depend_on_what_comes_out(name, always):
    """So that the transform behind gets the same numbers, whatever was applied before it."""
    recipe, used = INNER[name](), set()
    for seed in range(12):
        draws = Draws(np.arange(3), 0, seed)
        recipe.parameters(draws, always)
        used.add(draws.used)
    assert len(used) == 1


@pytest.mark.parametrize("name", INNER)
def test_one_sample_alone_is_as_in_the_batch(name):
    recipe = INNER[name]()
    together = marks(recipe, 60)
    for n in range(0, 60, 7):
        assert recipe(np.zeros((1, 1, 1, 1)), ids=[n], seed=0).item() == together[n]


def test_transforms_of_one_recipe_have_numbers_of_their_own():
    recipe = A.Compose([Mark(1, 0.5), Mark(2, 0.5), Mark(3, 0.5)])
    got = shares(marks(recipe))
    wanted = {
        int("".join(str(k) for k, on in zip((1, 2, 3), choice) if on) or 0): 1 / 8
        for choice in product((0, 1), repeat=3)
    }
    assert_shares(got, wanted)


def test_the_same_transform_twice_has_two_chances():
    flip = A.HorizontalFlip()
    recipe = A.Compose([flip, flip])
    params = recipe.sample(np.arange(MANY))["transforms"]
    both = (params[0]["applied"] & params[1]["applied"]).mean()
    assert abs(both - 0.25) < 4 * np.sqrt(0.25 * 0.75 / MANY)


# geometry within ------------------------------------------------------------------------------------------------------


def test_transforms_that_see_pixels_get_those_after_the_steps_before_them(rng):
    """A transform of pixels between two geometric ones ends the chain there."""
    images = rng.integers(1, 6, (4, 1, 5, 6)).astype(np.float64)
    recipe = A.Compose([A.HorizontalFlip(1), Mark(7), A.Pad(1, fill=3), Mark(8), A.VerticalFlip(1)])
    out = recipe(images)
    expected = np.pad(10 * images[..., ::-1] + 7, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=3) * 10 + 8
    assert np.array_equal(out, expected[:, :, ::-1])


def test_children_that_change_the_size(rng):
    images = rng.integers(0, 256, (3, 2, 12, 14), dtype=np.uint8)
    recipe = A.Compose(
        [A.Pad(2), A.RandomCrop((10, 8)), A.Compose([A.CenterCrop(6), A.Pad((1, 0))]), A.HorizontalFlip()]
    )
    assert recipe(images).shape == (3, 2, 6, 8)
    for t in (A.CenterCrop(6), A.RandomCrop(6), A.Pad(1), A.FiveCrop(3)):
        for container in (A.RandomApply([t], p=0), A.OneOf([t], p=0), A.SomeOf([t, A.HorizontalFlip()], p=0)):
            with pytest.raises(ValueError, match=f"{t.name}: makes .* can't be applied to some images only"):
                container(images)


def test_a_crop_of_the_images_own_size_may_be_applied_to_some(rng):
    images = rng.integers(1, 256, (40, 1, 6, 7), dtype=np.uint8)
    recipe = A.RandomApply([A.CenterCrop((6, 7)), A.Pad(0), A.RandomCrop((6, 7))])
    assert np.array_equal(recipe(images), images)


def test_a_padded_crop_leaves_alone_what_it_isn_t_applied_to(rng):
    images = rng.integers(1, 256, (40, 1, 6, 7), dtype=np.uint8)
    recipe = A.RandomApply([A.RandomCrop((6, 7), padding=2)])
    params = recipe.sample(np.arange(40))
    out = recipe.apply(images, params)
    assert np.array_equal(out[~params["applied"]], images[~params["applied"]])


@pytest.mark.parametrize("N", [1, 40])
def test_one_of_two_crops_is_refused_whatever_is_drawn(N, rng):
    images = rng.integers(1, 256, (N, 1, 6, 7), dtype=np.uint8)
    recipe = A.OneOf([A.CenterCrop(4), A.RandomCrop(4)], p=1)
    for epoch in range(6):
        with pytest.raises(ValueError, match="Crop: makes images of 6 x 7 into 4 x 4, so it can't be applied to some"):
            recipe(images, epoch=epoch)


# bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [A.Compose, A.OneOf, A.SomeOf, A.RandomApply])
@pytest.mark.parametrize("transforms", [[], [1], [A.HorizontalFlip], [A.HorizontalFlip(), None], (lambda x: x,)])
def test_something_else_than_transforms_is_refused(container, transforms):
    with pytest.raises(TypeError, match=f"{container.__name__}: give a list of one or more transforms, got"):
        container(transforms)


def test_one_transform_without_a_list_is_refused_in_words():
    with pytest.raises(TypeError, match="Compose: give a list of one or more transforms"):
        A.Compose(A.HorizontalFlip())


def test_a_generator_of_transforms_will_do():
    assert (marks(A.Compose(Mark(k) for k in (1, 2)), 3) == 12).all()


@pytest.mark.parametrize(
    "build, error, message",
    [
        (lambda: A.OneOf([Mark(1, 0.0), Mark(2, 0.0)]), ValueError, "OneOf: the transforms' probabilities are all 0"),
        (lambda: A.SomeOf([Mark(1)], n=2), ValueError, "SomeOf: n is 2, but there are 1 transforms"),
        (lambda: A.SomeOf([Mark(1)], n=0), ValueError, "SomeOf: n must be an integer from 1 on, got 0"),
        (lambda: A.SomeOf([Mark(1)], n=1.0), TypeError, "SomeOf: n must be an integer, got 1.0"),
        (lambda: A.RandomApply([Mark(1)], 2), ValueError, "RandomApply: p must be a probability from 0 to 1, got 2"),
    ],
)
def test_bad_options_are_refused_in_words(build, error, message):
    with pytest.raises(error, match=re.escape(message)):
        build()


def test_one_choice_that_is_never_taken_is_never_taken():
    assert set(marks(A.OneOf([Mark(1, 0.0), Mark(2)], p=1))) == {2}
    assert set(marks(A.OneOf([Mark(1), Mark(2, 0.0)], p=1))) == {1}
