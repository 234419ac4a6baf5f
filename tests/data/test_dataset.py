"""TensorDataset, Subset, ConcatDataset, random_split; and how samples become a batch."""

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.backend import random
from minitorch_cnn.data import ConcatDataset, DataLoader, Subset, TensorDataset, default_collate, random_split


class Squares:
    """A dataset without `batch`."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        assert type(i) is int  # what a list, a file name or bisect can be indexed with
        return np.float32(i * i), i


# TensorDataset --------------------------------------------------------------------------------------------------------


def test_tensor_dataset_batch_is_the_stacked_samples(rng):
    ds = TensorDataset(rng.standard_normal((7, 2, 3)), mt.Tensor(rng.standard_normal((7,))), rng.integers(0, 9, 7))
    indices = [5, 0, -1, 5]
    for got, expected in zip(ds.batch(indices), zip(*[ds[i] for i in indices])):
        np.testing.assert_array_equal(got, np.stack(expected))
    np.testing.assert_array_equal(ds[-1][0], ds.tensors[0][6])


def test_tensor_dataset_refuses_unequal_lengths():
    with pytest.raises(ValueError, match=r"equal length \(shape\[0\]\); their shapes are \(3, 2\), \(4,\)"):
        TensorDataset(np.zeros((3, 2)), np.zeros(4))


@pytest.mark.parametrize(
    "arrays, found",
    [((), "got none"), (([1, 2],), "got list"), ((np.zeros(3), np.float32(1)), "got ndarray .3,., float32")],
)
def test_tensor_dataset_refuses_what_is_no_array(arrays, found):
    with pytest.raises(TypeError, match=f"TensorDataset: give one or more arrays.*{found}"):
        TensorDataset(*arrays)


@pytest.mark.parametrize("index", [4, -5, 1000])
def test_index_out_of_range_says_the_range(index):
    ds = TensorDataset(np.arange(4))
    message = rf"TensorDataset: index {index} is out of range for 4 samples; valid are -4 to 3"
    with pytest.raises(IndexError, match=message):
        ds[index]
    with pytest.raises(IndexError, match=message):
        ds.batch(np.array([0, index]))


@pytest.mark.parametrize("indices", [[0.0, 1.0], [[0, 1]], [True, False], ["a"]])
def test_indices_that_are_no_integers(indices):
    with pytest.raises(TypeError, match="indices must be integers in a list or an array of one dimension, got"):
        TensorDataset(np.arange(4)).batch(indices)


def test_an_empty_batch_keeps_shape_and_type():
    (batch,) = TensorDataset(np.zeros((4, 2), np.float32)).batch([])
    assert batch.shape == (0, 2) and batch.dtype == np.float32


def test_a_loop_over_a_dataset_ends():
    # Python's old protocol: it counts up until an IndexError
    assert [int(x) for (x,) in TensorDataset(np.array([3, 1, 2]))] == [3, 1, 2]


# Subset and ConcatDataset ---------------------------------------------------------------------------------------------


def test_subset_of_a_subset():
    inner = Subset(TensorDataset(np.arange(10) * 10), [9, 1, 5, 3])
    outer = Subset(inner, [3, -4])
    assert [int(outer[i][0]) for i in (0, 1, -1)] == [30, 90, 90]
    assert outer.batch([1, 0])[0].tolist() == [90, 30]


def test_subset_has_batch_only_if_its_dataset_has():
    assert hasattr(Subset(TensorDataset(np.arange(3)), [0]), "batch")
    subset = Subset(Squares(5), [4, 2])
    assert not hasattr(subset, "batch")
    ((values, numbers),) = DataLoader(subset, batch_size=2)
    assert values.tolist() == [16, 4] and numbers.tolist() == [4, 2]


def test_subset_index_out_of_range():
    with pytest.raises(IndexError, match="Subset: index 5 is out of range for 5 samples"):
        Subset(Squares(5), [0, 5])
    with pytest.raises(IndexError, match="Subset: index 2 is out of range for 2 samples"):
        Subset(Squares(5), [0, 4])[2]


def test_concat_dataset_meets_each_sample_once_in_order():
    ds = ConcatDataset([Squares(2), Squares(1), TensorDataset(np.array([7.0, 8.0]), np.array([7, 8]))])
    assert len(ds) == 5
    assert [int(ds[i][1]) for i in range(5)] == [0, 1, 0, 7, 8]
    assert int(ds[-1][1]) == 8
    with pytest.raises(IndexError, match="ConcatDataset: index 5 is out of range for 5 samples"):
        ds[5]


def test_concat_dataset_skips_an_empty_one():
    ds = ConcatDataset([TensorDataset(np.zeros(0)), TensorDataset(np.array([4.0]))])
    assert float(ds[0][0]) == 4.0


def test_concat_dataset_has_batch_if_all_of_them_have_it():
    arrays = [np.arange(n * 2.0).reshape(n, 2) + 100 * n for n in (3, 0, 1, 4)]
    ds = ConcatDataset([TensorDataset(a, np.arange(len(a), dtype=np.int32)) for a in arrays])
    whole = np.concatenate(arrays)
    for indices in ([0], [7, 3, 2, 4, 0, 0, -1], list(range(8)), np.random.default_rng(0).permutation(8), []):
        rows, numbers = ds.batch(indices)
        np.testing.assert_array_equal(rows, whole[indices])
        assert numbers.tolist() == [int(ds[i][1]) for i in indices] and numbers.dtype == np.int32
    with pytest.raises(IndexError, match="ConcatDataset: index 8 is out of range for 8 samples"):
        ds.batch([0, 8])
    assert not hasattr(ConcatDataset([Squares(2), TensorDataset(np.zeros(2), np.zeros(2))]), "batch")


def test_concat_dataset_of_unlike_shapes():
    ds = ConcatDataset([TensorDataset(np.zeros((2, 3, 4))), TensorDataset(np.zeros((2, 3, 5)))])
    assert ds.batch([3, 2])[0].shape == (2, 3, 5)
    with pytest.raises(ValueError, match=r"ConcatDataset: .* different shapes: \(3, 4\), \(3, 5\); give the datasets"):
        ds.batch([0, 3])
    ds = ConcatDataset([TensorDataset(np.zeros(2)), TensorDataset(np.zeros(2), np.zeros(2))])
    with pytest.raises(ValueError, match="ConcatDataset: the samples of one batch have different lengths: 1, 2"):
        ds.batch([0, 3])


class LeavesOut:
    """Eight samples, number n + i; the ones in `bad` are left out of their batch."""

    def __init__(self, first, bad):
        self.first, self.bad = first, bad

    def __len__(self):
        return 8

    def __getitem__(self, i):
        raise AssertionError("sample by sample nothing could be left out")

    def batch(self, indices):
        good = [self.first + i for i in indices if i not in self.bad]
        return (np.array(good),) if good else None


@pytest.mark.parametrize("num_workers", [0, 2])
def test_concat_dataset_leaves_out_what_its_datasets_leave_out(num_workers):
    ds = ConcatDataset([LeavesOut(0, {1, 2, 3}), LeavesOut(8, {0, 7})])
    good = [0, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]
    batches = [batch.tolist() for (batch,) in DataLoader(ds, 3, num_workers=num_workers)]
    assert [n for batch in batches for n in batch] == good
    assert ds.batch([1, 8, 15]) is None
    assert ds.batch([14, 1, 0, 8, 13, 4])[0].tolist() == [14, 0, 13, 4]
    shuffled = [n for (batch,) in DataLoader(ds, 3, shuffle=True, seed=1, num_workers=num_workers) for n in batch]
    assert sorted(shuffled) == good


def test_concat_of_nothing():
    with pytest.raises(ValueError, match="ConcatDataset: give at least one dataset"):
        ConcatDataset([])


# random_split ---------------------------------------------------------------------------------------------------------


def parts(*args, **kwargs):
    return [subset.indices.tolist() for subset in random_split(*args, **kwargs)]


@pytest.mark.parametrize(
    "n, lengths, counts",
    [
        (10, [7, 3], [7, 3]),
        (10, [0.5, 0.5], [5, 5]),
        (10, [0.33, 0.33, 0.34], [4, 3, 3]),
        (3, [3, 0], [3, 0]),
        (7, [1.0], [7]),
    ],
)
def test_random_split_deals_every_sample_to_one_part(n, lengths, counts):
    dealt = parts(Squares(n), lengths)
    assert [len(part) for part in dealt] == counts
    assert sorted(i for part in dealt for i in part) == list(range(n))


def test_random_split_is_random_and_reproducible():
    ds = Squares(100)
    mt.manual_seed(3)
    first = parts(ds, [50, 50])
    assert first[0] != list(range(50)) and first[0] != sorted(first[0])
    random.generator().random(17)  # what else was drawn doesn't matter
    assert parts(ds, [50, 50]) == first == parts(ds, [0.5, 0.5], seed=3)
    assert parts(ds, [50, 50], seed=4) != first
    generator = np.random.default_rng(5)
    assert parts(ds, [50, 50], generator) == parts(ds, [50, 50], np.random.default_rng(5))
    assert parts(ds, [50, 50], generator) != parts(ds, [50, 50], np.random.default_rng(5))  # it was drawn from


def test_random_split_draws_another_stream_than_the_weights_and_the_loader():
    ds = TensorDataset(np.arange(50))
    mt.manual_seed(3)
    weights = random.generator().permutation(50).tolist()
    (split,) = parts(ds, [50], seed=3)
    ((order,),) = DataLoader(ds, batch_size=50, shuffle=True, seed=3)
    assert split != weights and split != order.tolist() and weights != order.tolist()


@pytest.mark.parametrize(
    "lengths, options, message",
    [
        ([7, 4], {}, r"lengths \[7, 4\] have the sum 11; it must be 10, the dataset's length, or 1 if"),
        ([0.5, 0.4], {}, r"lengths \[0.5, 0.4\] have the sum 0.9"),
        ([-1, 11], {}, r"lengths must be numbers from 0 on, got \[-1, 11\]"),
        ([float("nan"), 1], {}, r"lengths must be numbers from 0 on"),
        ([], {}, r"lengths must be numbers from 0 on, got \[\]"),
        ([10], {"seed": -1}, "random_split: seed must be an integer from 0 on, .* got -1"),
        ([10], {"seed": 1, "generator": np.random.default_rng(0)}, "a generator or a seed, not both"),
    ],
)
def test_random_split_refuses(lengths, options, message):
    with pytest.raises(ValueError, match=message):
        random_split(Squares(10), lengths, **options)


def test_random_split_refuses_another_generator():
    with pytest.raises(TypeError, match=r"generator must be a numpy.random.Generator, got RandomState"):
        random_split(Squares(10), [10], np.random.RandomState(0))


# default_collate ------------------------------------------------------------------------------------------------------


def test_collate_goes_into_tuples_lists_and_dicts():
    samples = [{"image": (np.full((2,), i, np.uint8), [i, float(i)]), "name": f"n{i}"} for i in range(3)]
    batch = default_collate(samples)
    image, (number, real) = batch["image"]
    assert image.dtype == np.uint8 and image.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert number.dtype == np.int64 and number.tolist() == [0, 1, 2]
    assert real.dtype == np.float64 and real.tolist() == [0, 1, 2]
    assert batch["name"] == ["n0", "n1", "n2"]


def test_collate_takes_tensors_to_arrays():
    batch = default_collate([mt.Tensor([1.0, 2.0]), mt.Tensor([3.0, 4.0])])
    assert type(batch) is np.ndarray and batch.dtype == np.float32 and batch.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "samples, message",
    [
        (
            [np.zeros((3, 4)), np.zeros((3, 5))],
            r"different shapes: \(3, 4\) \(sample 0 of the batch\), \(3, 5\) \(sample 1\)",
        ),
        ([(1, 2), (1, 2), (1, 2, 3)], r"different lengths: 2 .*, 3 \(sample 2\)"),
        ([(1, 2), 3], r"different lengths: 2 .*, int \(sample 1\)"),
        ([{"a": 1}, {"b": 1}], r"different keys: \['a'\] .*, \['b'\] \(sample 1\)"),
    ],
)
def test_collate_refuses_unlike_samples(samples, message):
    with pytest.raises(ValueError, match=f"default_collate: samples of one batch have {message}; make them alike"):
        default_collate(samples)


@pytest.mark.parametrize("sample", [None, object(), {1, 2}])
def test_collate_refuses_what_makes_no_array(sample):
    with pytest.raises(
        TypeError, match=f"can't make a batch of {type(sample).__name__}; .* or give DataLoader a collate_fn"
    ):
        default_collate([sample, sample])
