"""DataLoader: the order, the same whatever the workers; going on in the middle; no thread left behind."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn.backend import random
from minitorch_cnn.data import MNIST, DataLoader, TensorDataset, default_collate

N = 23  # no multiple of the batch sizes below


class Numbers:
    """Sample i is (i * 1.0, i), after a wait that is longer for the early ones, so that workers finish out of order."""

    def __init__(self, n=N, wait=0.0, fails_at=None, error=None):
        self.n, self.wait, self.fails_at = n, wait, fails_at
        self.error = error or ValueError("the picture is torn")
        self.read = []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.read.append(i)
        if self.wait:
            time.sleep(self.wait * (self.n - i) / self.n)
        if i == self.fails_at:
            raise self.error
        return np.float32(i), i


def numbers(loader):
    """The samples' numbers, batch by batch."""
    return [labels.tolist() for _, labels in loader]


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader")]


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


# batches and order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 3])
def test_without_shuffle_it_is_the_datasets_order_and_the_last_batch_is_smaller(num_workers):
    loader = DataLoader(Numbers(), batch_size=5, num_workers=num_workers)
    assert numbers(loader) == [[*range(0, 5)], [*range(5, 10)], [*range(10, 15)], [*range(15, 20)], [20, 21, 22]]
    assert len(loader) == 5


def test_drop_last_leaves_the_smaller_batch_out():
    loader = DataLoader(Numbers(), batch_size=5, drop_last=True)
    assert [len(b) for b in numbers(loader)] == [5, 5, 5, 5] and len(loader) == 4
    assert len(DataLoader(Numbers(20), batch_size=5, drop_last=True)) == len(DataLoader(Numbers(20), batch_size=5)) == 4
    assert numbers(DataLoader(Numbers(3), batch_size=5, drop_last=True)) == []  # as in PyTorch


def test_a_batch_is_a_tuple_of_arrays():
    (batch,) = DataLoader(Numbers(3), batch_size=8)
    assert type(batch) is tuple
    values, labels = batch
    assert values.dtype == np.float32 and values.tolist() == [0, 1, 2]
    assert labels.dtype == np.int64 and labels.tolist() == [0, 1, 2]


def test_shuffle_gives_every_sample_once_and_each_epoch_another_order():
    loader = DataLoader(Numbers(), batch_size=5, shuffle=True, seed=0)
    first, second = ([i for batch in numbers(loader) for i in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second and first != list(range(N))


def test_every_place_is_as_likely_for_every_sample():
    # 600 epochs of 5 samples: each sample is in each place 120 times on average, with a standard deviation of 9.8
    loader = DataLoader(TensorDataset(np.arange(5)), batch_size=5, shuffle=True, seed=0)
    counts = np.zeros((5, 5), int)
    for _ in range(600):
        ((order,),) = loader
        counts[np.arange(5), order] += 1
    assert counts.min() > 120 - 45 and counts.max() < 120 + 45  # 4.6 standard deviations


@pytest.mark.parametrize("num_workers, prefetch_factor", [(1, 1), (2, 1), (4, 3)])
def test_the_workers_change_nothing(num_workers, prefetch_factor):
    plain = DataLoader(Numbers(), batch_size=3, shuffle=True, seed=5)
    threaded = DataLoader(
        Numbers(wait=0.002),
        batch_size=3,
        shuffle=True,
        seed=5,
        num_workers=num_workers,
        prefetch_factor=prefetch_factor,
    )
    for _ in range(2):
        assert numbers(threaded) == numbers(plain)


def test_the_order_is_that_of_seed_and_epoch_whatever_was_drawn_or_looped_before():
    def order_of(epoch, seed):
        loader = DataLoader(Numbers(), batch_size=N, shuffle=True, seed=seed)
        loader.set_epoch(epoch)
        return numbers(loader)[0]

    loader = DataLoader(Numbers(), batch_size=N, shuffle=True, seed=7)
    orders = []
    for _ in range(3):
        random.generator().random(11)
        orders.append(numbers(loader)[0])
    assert orders == [order_of(epoch, 7) for epoch in range(3)]
    assert order_of(2, 7) != order_of(2, 8)


def test_without_a_seed_it_is_that_of_manual_seed_when_the_loop_begins():
    loader = DataLoader(Numbers(), batch_size=5, shuffle=True)  # made under seed 0, by the fixture
    mt.manual_seed(42)
    expected = numbers(DataLoader(Numbers(), batch_size=5, shuffle=True, seed=42))
    random.generator().random(100)
    assert numbers(loader) == expected


def test_shuffling_draws_nothing_from_the_generator_of_the_weights():
    before = random.get_state()
    numbers(DataLoader(Numbers(), batch_size=5, shuffle=True))
    assert random.get_state() == before


def test_the_batches_that_are_read_ahead_are_bounded():
    dataset = Numbers(100)
    batches = iter(DataLoader(dataset, batch_size=2, num_workers=2, prefetch_factor=3))
    next(batches)
    time.sleep(0.05)
    assert 2 <= len(dataset.read) <= 2 * (1 + 2 * 3)  # the one given, and 2 * 3 ahead
    batches.close()


def test_workers_do_read_at_the_same_time():
    together = threading.Barrier(3, timeout=10)

    class Meet(Numbers):
        def __getitem__(self, i):
            together.wait()  # comes back only when three threads are here
            return i

    assert len(list(DataLoader(Meet(6), num_workers=3))) == 6


# whole batches --------------------------------------------------------------------------------------------------------


def test_batch_is_preferred_and_a_collate_fn_gets_samples():
    class Fast(Numbers):
        def batch(self, indices):
            return ("whole", indices.tolist())

    assert list(DataLoader(Fast(3), batch_size=2)) == [("whole", [0, 1]), ("whole", [2])]
    assert list(DataLoader(Fast(3), batch_size=2, collate_fn=lambda samples: [i for _, i in samples])) == [[0, 1], [2]]


def test_an_attribute_named_batch_that_is_no_function_is_left_alone():
    dataset = Numbers(3)
    dataset.batch = 32
    assert numbers(DataLoader(dataset, batch_size=3)) == [[0, 1, 2]]


def test_mnist_by_batches_and_by_samples_is_the_same():
    ds = MNIST(train=False)
    images, labels = next(iter(DataLoader(ds, batch_size=7, shuffle=True)))  # by ds.batch
    expected_images, expected_labels = next(
        iter(DataLoader(ds, batch_size=7, shuffle=True, collate_fn=default_collate))
    )
    assert images.shape == (7, 1, 28, 28) and images.dtype == np.float32 and labels.dtype == np.int64
    assert_close(images, expected_images, rtol=0)
    assert_close(labels, expected_labels, rtol=0)


# epochs, and going on in the middle -----------------------------------------------------------------------------------


def test_epoch_counts_loops_as_they_begin():
    loader = DataLoader(Numbers(), batch_size=5)
    assert loader.epoch == 0
    for _ in loader:
        assert loader.epoch == 1
        break
    assert loader.epoch == 1  # left early, and counted all the same
    numbers(loader)
    assert loader.epoch == 2
    iter(loader)
    assert loader.epoch == 3
    loader.set_epoch(10)
    assert loader.epoch == 10


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("batches", [1, 3, 4, 5, 7])
def test_a_run_goes_on_where_it_was_saved(batches, num_workers):
    def loader():
        return DataLoader(Numbers(), batch_size=5, shuffle=True, seed=3, num_workers=num_workers)

    whole = loader()
    expected = [batch for _ in range(3) for batch in numbers(whole)]

    saved, seen = None, []
    first = loader()
    while saved is None:
        for _, labels in first:
            seen.append(labels.tolist())
            if len(seen) == batches:
                saved = first.state_dict()  # in the loop's body, while the workers are ahead
                break
    assert all(type(value) is int for value in saved.values())

    second = loader()
    second.load_state_dict(saved)
    while len(seen) < len(expected):
        seen += numbers(second)
    assert seen == expected


def test_state_between_epochs_and_before_the_first():
    loader = DataLoader(Numbers(), batch_size=5)
    assert loader.state_dict() == {"epoch": 0, "batch": 0, "batch_size": 5, "samples": N}
    numbers(loader)
    assert loader.state_dict() == {"epoch": 1, "batch": 0, "batch_size": 5, "samples": N}


def test_state_in_the_body_at_the_last_batch_is_the_next_epoch():
    loader = DataLoader(Numbers(), batch_size=5)
    states = [loader.state_dict() for _ in loader]
    assert [(s["epoch"], s["batch"]) for s in states] == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]


def test_state_is_that_of_the_loop_that_began_last():
    loader = DataLoader(Numbers(), batch_size=5)
    old, new = iter(loader), iter(loader)
    next(new)
    next(old), next(old)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 1)
    loader.set_epoch(6)
    next(old)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (6, 0)


def test_a_loaded_state_is_a_state_again():
    loader = DataLoader(Numbers(), batch_size=5)
    state = {"epoch": 4, "batch": 2, "batch_size": 5, "samples": N}
    loader.load_state_dict(state)
    assert loader.state_dict() == state and loader.epoch == 4
    assert numbers(loader)[0] == [10, 11, 12, 13, 14]
    assert len(numbers(loader)) == 5 and loader.epoch == 6


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"batch_size": 4},
            r"middle of epoch 4 \(after batch 2\) with batch_size 4 and 23 samples, but this loader has batch_size 5",
        ),
        ({"samples": 24}, "24 samples, but this loader has batch_size 5 and 23 samples; use the same ones, or"),
        ({"batch": 5}, "after batch 5, but an epoch has 5 batches"),
        ({"batch": -1}, "batch must be at least 0, got -1"),
        ({"epoch": -1}, "epoch must be at least 0, got -1"),
        ({"lr": 0.1}, "keys missing or unexpected: lr"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    loader = DataLoader(Numbers(), batch_size=5)
    for _ in loader:
        break
    before = loader.state_dict()
    with pytest.raises(ValueError, match=f"DataLoader: .*{message}"):
        loader.load_state_dict({"epoch": 4, "batch": 2, "batch_size": 5, "samples": N} | change)
    assert loader.state_dict() == before and loader.epoch == 1


def test_another_batch_size_is_fine_at_the_start_of_an_epoch():
    loader = DataLoader(Numbers(), batch_size=8)
    loader.load_state_dict({"epoch": 4, "batch": 0, "batch_size": 5, "samples": N})
    assert loader.epoch == 4 and len(numbers(loader)) == 3


# errors and leaving early ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 3])
def test_an_error_names_the_sample_and_comes_when_its_batch_is_due(num_workers):
    loader = DataLoader(Numbers(fails_at=12), batch_size=5, num_workers=num_workers)
    seen = []
    with pytest.raises(
        RuntimeError, match=r"DataLoader: sample 12 .batch 2 of epoch 0.: ValueError: the picture is torn"
    ) as caught:
        for _, labels in loader:
            seen.append(labels.tolist())
    assert seen == [[*range(0, 5)], [*range(5, 10)]]
    assert isinstance(caught.value.__cause__, ValueError)
    assert loader.state_dict()["batch"] == 2  # a run that goes on tries the same batch again
    assert own_threads() == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_stop_iteration_in_a_dataset_does_not_end_the_loop_in_silence(num_workers):
    with pytest.raises(RuntimeError, match=r"sample 12 .*StopIteration"):
        numbers(DataLoader(Numbers(fails_at=12, error=StopIteration()), batch_size=5, num_workers=num_workers))


def test_an_error_of_a_whole_batch_names_its_samples():
    ds = MNIST(train=False, transform=lambda images: images.reshape(3))
    with pytest.raises(
        RuntimeError, match=r"batch 0 of epoch 0, samples 0, 1, 2, 3, 4, 5, 6, 7, …: ValueError: cannot reshape"
    ):
        next(iter(DataLoader(ds, batch_size=10)))
    with pytest.raises(RuntimeError, match=r"batch 0 of epoch 0, samples 0, 1: ValueError"):
        next(iter(DataLoader(ds, batch_size=2)))


def test_samples_that_make_no_batch_are_told_of_with_the_batch():
    with pytest.raises(
        RuntimeError, match=r"DataLoader: batch 0 of epoch 0: ValueError: default_collate: .*different shapes"
    ):
        next(iter(DataLoader([np.zeros(2), np.zeros(3)], batch_size=2)))


class Oops(Exception):
    pass


@pytest.mark.parametrize("error", [Oops, KeyboardInterrupt])
def test_leaving_by_an_exception_ends_the_threads(error):
    with pytest.raises(error):
        for _ in DataLoader(Numbers(400, wait=0.001), num_workers=3):
            assert len(own_threads()) > 0  # or this test would show nothing
            raise error
    assert own_threads() == []


def test_leaving_by_break_ends_the_threads():
    for _ in DataLoader(Numbers(400, wait=0.001), num_workers=3):
        assert len(own_threads()) > 0
        break
    assert own_threads() == []


def test_leaving_drops_the_batches_that_no_worker_has_begun():
    begun, gate = threading.Event(), threading.Event()

    class Gated(Numbers):
        def __getitem__(self, i):
            if i > 0:
                begun.set()
                gate.wait(10)
            return super().__getitem__(i)

    dataset = Gated()
    for _ in DataLoader(dataset, num_workers=1, prefetch_factor=20):
        assert begun.wait(10)  # the worker stands in sample 1 until the loop has been left
        opener = threading.Timer(0.3, gate.set)
        opener.start()
        break
    opener.join()
    assert dataset.read == [0, 1]


def test_dropping_the_iterator_ends_the_threads():
    batches = iter(DataLoader(Numbers(), num_workers=3))
    next(batches)
    assert len(own_threads()) > 0
    del batches
    assert own_threads() == []


def test_a_program_that_ends_in_the_middle_of_a_loop_ends():
    program = (
        "import numpy as np; from minitorch_cnn.data import DataLoader\n"
        "batches = iter(DataLoader(np.arange(10000), num_workers=2)); next(batches); print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, got 2.0"),
        ({"batch_size": None}, TypeError, "batch_size must be an integer, got None"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer, got True"),
        ({"num_workers": -1}, ValueError, "num_workers must be at least 0, got -1"),
        ({"prefetch_factor": 0}, ValueError, "prefetch_factor must be at least 1, got 0"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got 1"),
        ({"drop_last": "no"}, TypeError, "drop_last must be True or False, got 'no'"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 on, or None for that of mt.manual_seed; got -1"),
        ({"seed": 1.5}, ValueError, "seed must be .* got 1.5"),
        ({"collate_fn": 3}, TypeError, "collate_fn must be a function of a list of samples, got 3"),
    ],
)
def test_options_that_can_not_be(options, kind, message):
    with pytest.raises(kind, match=f"DataLoader: {message}"):
        DataLoader(Numbers(), **options)


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="pin_memory"):
        DataLoader(Numbers(), pin_memory=True)


def test_what_is_no_dataset():
    with pytest.raises(
        TypeError,
        match=r"needs len\(dataset\) and dataset\[i\], generator lacks one; .*TensorDataset\(images, labels\)",
    ):
        DataLoader(i for i in range(3))
    with pytest.raises(ValueError, match=r"the dataset \(Numbers\) is empty"):
        DataLoader(Numbers(0))
    with pytest.raises(ValueError, match="DataLoader: epoch must be at least 0, got -1"):
        DataLoader(Numbers()).set_epoch(-1)
