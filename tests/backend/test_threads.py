"""parallel: covers its range, surfaces exceptions, doesn't nest, and leaves everyone else's BLAS and threads as they were."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn.backend.cpu import threads

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _threads_restored():
    before = mt.get_num_threads()
    yield
    mt.set_num_threads(before)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def run_python(code):
    """A fresh interpreter on this package; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# the split ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 12])
def test_the_parts_cover_the_range_once_and_are_as_many_as_the_threads(n, count):
    mt.set_num_threads(count)
    parts = []
    threads.parallel(n, lambda lo, hi: parts.append((lo, hi)))
    parts.sort()
    assert [i for lo, hi in parts for i in range(lo, hi)] == list(range(n))
    assert len(parts) == max(1, min(n, count))
    sizes = [hi - lo for lo, hi in parts]
    assert max(sizes) - min(sizes) <= 1


def test_the_parts_run_at_the_same_time_in_different_threads():
    mt.set_num_threads(3)
    meet = threading.Barrier(3, timeout=20)
    names = set()

    def part(lo, hi):
        meet.wait()  # passes only if all three are here
        names.add(threading.get_ident())

    threads.parallel(3, part)
    assert len(names) == 3 and threading.get_ident() in names  # the caller works too


def test_one_thread_or_no_worth_runs_all_in_the_caller():
    for count, worth in ((1, True), (4, False)):
        mt.set_num_threads(count)
        ran = []
        threads.parallel(10, lambda lo, hi: ran.append((lo, hi, threading.get_ident())), worth)  # noqa: B023
        assert ran == [(0, 10, threading.get_ident())]


def test_a_call_inside_a_part_is_not_split_again():
    mt.set_num_threads(2)
    inner = []

    def part(lo, hi):
        caller = threading.get_ident()
        threads.parallel(8, lambda a, b: inner.append((a, b, threading.get_ident() == caller)))

    threads.parallel(2, part)
    assert inner == [(0, 8, True), (0, 8, True)]
    outer = []
    threads.parallel(2, lambda lo, hi: outer.append((lo, hi)))  # and afterwards calls are split as before
    assert sorted(outer) == [(0, 1), (1, 2)]


# exceptions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_exception_in_any_part_reaches_the_caller_once_all_parts_are_done(bad):
    mt.set_num_threads(3)
    done = []

    def part(lo, hi):
        if lo == bad:
            raise KeyError(f"part {lo}")
        time.sleep(0.02)
        done.append(lo)

    with pytest.raises(KeyError, match=f"part {bad}"):
        threads.parallel(3, part)
    assert sorted(done) == sorted({0, 1, 2} - {bad})  # none still writes into the caller's arrays
    after = []
    threads.parallel(3, lambda lo, hi: after.append(lo))
    assert sorted(after) == [0, 1, 2]


def test_after_an_exception_blas_has_its_threads_back_and_calls_are_split():
    before = blas_threads()
    for count in (1, 2):
        mt.set_num_threads(count)
        with pytest.raises(ZeroDivisionError):
            threads.parallel(4, lambda lo, hi: 1 / 0)
        assert blas_threads() == before
    parts = []
    threads.parallel(2, lambda lo, hi: parts.append(lo))
    assert sorted(parts) == [0, 1]


# BLAS -----------------------------------------------------------------------------------------------------------------


def test_blas_is_on_one_thread_inside_and_as_found_afterwards():
    out = run_python("""if True:
        import threading
        from threadpoolctl import threadpool_info
        import minitorch_cnn as mt
        from minitorch_cnn.backend.cpu import threads

        def blas():
            return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

        def nested(lo, hi):
            seen.extend(blas())
            threads.parallel(2, lambda lo, hi: None)
            seen.extend(blas())                             # still one: the inner call's exit isn't the outermost

        def call():
            threads.parallel(2, nested)

        mt.set_num_threads(2)
        before = blas()
        for _ in range(2):
            for where in ("main", "thread"):                # a second Python thread must have the same power
                seen = []
                call() if where == "main" else [t := threading.Thread(target=call), t.start(), t.join()]
                print(where, set(seen) == {1} and len(seen) == 4 * len(before), blas() == before)
        print(before)
    """)
    assert out[:-1] == ["main", "True", "True", "thread", "True", "True"] * 2
    assert out[-1] in ("[2]", "[1]")  # 1 on a machine with one core


def test_importing_the_package_leaves_blas_alone_and_so_does_using_it():
    out = run_python("""if True:
        import numpy as np
        from threadpoolctl import threadpool_info, threadpool_limits
        blas = lambda: [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        before = blas()
        import minitorch_cnn as mt, minitorch_cnn.functional as F
        print(blas() == before)
        mt.set_num_threads(2)
        x, w = mt.Tensor(np.ones((4, 8, 20, 20), np.float32), requires_grad=True), mt.Tensor(np.ones((8, 8, 3, 3), np.float32))
        F.batch_norm(F.max_pool2d(F.relu(F.conv2d(x, w)), 2), training=True).sum().backward()
        F.linear(mt.Tensor(np.ones((300, 300))), mt.Tensor(np.ones((300, 300))))
        print(blas() == before)
        with threadpool_limits(1):                          # someone else's setting, made after ours was looked up
            F.conv2d(x, w)
            print(set(blas()) == {1})
        print(blas() == before)
    """)
    assert out == ["True"] * 4


def everything(rng):
    """Results of the operators that use BLAS, large enough for it to use all its threads."""
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((4, 96, 33, 35), (80, 96, 3, 3), (80,)))
    given = [mt.Tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = F.conv2d(*given, padding=1)
    y.backward(rng.standard_normal(y.shape).astype(np.float32))
    results = [y.numpy(), *(t.grad for t in given)]
    rows, matrix, shift = (rng.standard_normal(s).astype(np.float32) for s in ((300, 501), (200, 501), (200,)))
    given = [mt.Tensor(a, requires_grad=True) for a in (rows, matrix, shift)]
    y = F.linear(*given)
    y.backward(rng.standard_normal(y.shape).astype(np.float32))
    results += [y.numpy(), *(t.grad for t in given)]
    scale, shift = (mt.Tensor(np.ones(96, np.float32), requires_grad=True) for _ in range(2))
    for training in (True, False):
        y = F.batch_norm(mt.Tensor(x), np.zeros(96, np.float32), np.ones(96, np.float32), scale, shift, training)
        y.backward(x)
        results += [y.numpy(), scale.grad.copy(), shift.grad.copy()]
    return results


def test_the_bits_dont_depend_on_the_threads_that_blas_has_otherwise():
    """Another number of BLAS threads adds in another order; and while one thread computes, BLAS is on one for all others."""
    mt.set_num_threads(2)
    results = []
    for limit in (1, 2, 3):
        with threadpool_limits(limit, user_api="blas"):
            results.append(everything(np.random.default_rng(0)))
    for other in results[1:]:
        assert [np.array_equal(a, b) for a, b in zip(results[0], other)] == [True] * len(other)


def test_importing_the_package_starts_no_thread():
    assert run_python("import threading, minitorch_cnn; print(threading.active_count())") == ["1"]


# set_num_threads ------------------------------------------------------------------------------------------------------


def test_set_num_threads_is_what_get_num_threads_says():
    for n in (3, 1, np.int64(2)):
        mt.set_num_threads(n)
        assert mt.get_num_threads() == n


@pytest.mark.parametrize(
    "n, error",
    [(0, ValueError), (-1, ValueError), *((n, TypeError) for n in (1.0, 1.5, "2", None, True, np.array([1, 2])))],
)
def test_set_num_threads_refuses_what_is_no_positive_integer(n, error):
    before = mt.get_num_threads()
    with pytest.raises(error, match=r"set_num_threads: .*integer from 1 on, got"):
        mt.set_num_threads(n)
    assert mt.get_num_threads() == before


def test_by_default_as_many_threads_as_cores_this_process_may_use():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert run_python("import minitorch_cnn as mt; print(mt.get_num_threads())") == [str(cores)]


def test_fewer_threads_leave_none_of_the_old_behind():
    mt.set_num_threads(4)
    threads.parallel(4, lambda lo, hi: time.sleep(0.01))
    mt.set_num_threads(1)
    assert not [t for t in threading.enumerate() if t.name.startswith("minitorch_cnn")]


def in_threads(count, function):
    """Start `count` threads that call it; returns them, and the list that their exceptions go to."""
    errors = []

    def call():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=call) for _ in range(count)]
    for caller in callers:
        caller.start()
    return callers, errors


def test_set_num_threads_lets_a_call_in_another_thread_finish(monkeypatch):
    """A pool that is shut down between being looked up and being given work refuses it."""
    submitting, parts = threading.Event(), []

    class Slow(threads.ThreadPoolExecutor):
        def submit(self, *args):
            submitting.set()
            time.sleep(0.1)
            return super().submit(*args)

    mt.set_num_threads(2)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Slow)
    callers, errors = in_threads(1, lambda: threads.parallel(2, lambda lo, hi: parts.append(lo)))
    assert submitting.wait(20)
    mt.set_num_threads(3)
    callers[0].join(20)
    assert errors == [] and sorted(parts) == [0, 1]


def test_two_callers_at_first_make_one_pool(monkeypatch):
    made = []

    class Slow(threads.ThreadPoolExecutor):
        def __init__(self, *args, **options):
            made.append(self)
            time.sleep(0.1)
            super().__init__(*args, **options)

    mt.set_num_threads(2)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Slow)
    callers, errors = in_threads(3, lambda: threads.parallel(2, lambda lo, hi: None))
    for caller in callers:
        caller.join(20)
    assert errors == [] and len(made) == 1


# fork -----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_with_threads_of_its_own():
    """The child has none of the parent's threads: work given to them would wait for ever."""
    out = run_python("""if True:
        import os, signal, warnings
        import numpy as np
        import minitorch_cnn as mt, minitorch_cnn.functional as F
        warnings.simplefilter("ignore")                     # Python 3.12 warns of fork with threads: that is the point
        mt.set_num_threads(2)
        x, w = mt.Tensor(np.ones((4, 16, 40, 40), np.float32)), mt.Tensor(np.ones((32, 16, 3, 3), np.float32))
        with mt.conv_algorithm("im2col"):
            expected = F.conv2d(x, w).numpy()
            child = os.fork()
            if child == 0:
                signal.alarm(30)                            # a child that waits for ever is killed, and its status says so
                os._exit(0 if np.array_equal(F.conv2d(x, w).numpy(), expected) else 1)
            print(os.waitpid(child, 0)[1], np.array_equal(F.conv2d(x, w).numpy(), expected))
    """)
    assert out == ["0", "True"]


# what goes with it ----------------------------------------------------------------------------------------------------


def test_chunks_cover_the_range_within_the_limit_and_hold_one_sample_at_least():
    assert list(threads.chunks(3, 10, 10, limit=30)) == [(3, 6), (6, 9), (9, 10)]
    assert list(threads.chunks(0, 3, 100, limit=30)) == [(0, 1), (1, 2), (2, 3)]
    assert list(threads.chunks(0, 5, 0)) == [(0, 5)]  # samples without any bytes
    assert list(threads.chunks(4, 4, 8)) == []


def test_sums_are_added_in_the_order_of_the_parts():
    """Floats don't associate: (1e16 + 1) + -1e16 is 0, (1e16 - 1e16) + 1 is 1."""
    parts = {4: np.array([-1e16]), 0: np.array([1e16]), 2: np.array([1.0])}
    assert threads.sum_of_parts(parts).tolist() == [0.0]


def test_scratch_is_kept_by_name_dtype_and_thread_and_grows():
    first = threads.scratch("test of scratch", (2, 3), np.dtype(np.float32))
    again = threads.scratch("test of scratch", (3, 1), np.dtype(np.float32))
    assert np.shares_memory(first, again) and again.shape == (3, 1)
    assert not np.shares_memory(first, threads.scratch("test of scratch", (2, 3), np.dtype(np.float64)))
    assert not np.shares_memory(first, threads.scratch("test of scratch, other", (2, 3), np.dtype(np.float32)))
    elsewhere = []
    thread = threading.Thread(
        target=lambda: elsewhere.append(threads.scratch("test of scratch", (2, 3), np.dtype(np.float32)))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(first, elsewhere[0])
    grown = threads.scratch("test of scratch", (40, 5), np.dtype(np.float32))
    assert grown.shape == (40, 5) and np.shares_memory(
        grown, threads.scratch("test of scratch", (7,), np.dtype(np.float32))
    )
