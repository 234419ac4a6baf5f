"""Two halves of a batch in two threads, BLAS on one: how the CPU form uses the cores.

NumPy lets go of the interpreter's lock inside its long calls, so plain Python threads run the copies and the matrix products
of two halves of a batch at the same time. Each half then wants its own core and BLAS on one thread: 1.3 to 1.9 times as fast as
leaving the threads to BLAS, since the copies run in parallel too.

`parallel(n, work)` runs work(lo, hi) over n samples, split into as many equal parts as there are threads. The split depends on
n and the number of threads alone: the same number of threads gives the same bits.
"""

import operator
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
_pool = None
_lock = threading.Lock()  # of _threads and _pool: a pool gets no work once set_num_threads has taken it
_inside = threading.local()  # .parallel is True in code that runs as a part already: parts are not split again


def set_num_threads(n):
    """Use `n` threads from now on (1: everything runs in the caller's, which a debugger likes).

    Raises: TypeError unless n is an integer; ValueError if it is below 1.
    """
    global _threads, _pool
    text = f"set_num_threads: the number of threads must be an integer from 1 on, got {n!r}"
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(text) from None
    if isinstance(n, bool):
        raise TypeError(text)
    if number < 1:
        raise ValueError(text)
    with _lock:
        pool, _pool, _threads = _pool, None, number
    if pool is not None:
        pool.shutdown()  # what it was given before is still done


def get_num_threads():
    """The number of threads in use; at first, the number of cores this process may run on."""
    return _threads


def parallel(n, work, worth=True):
    """Call work(lo, hi) for parts that cover range(n), one part a thread; an exception in any of them is raised here.

    Where it isn't worth it (waking a thread costs 50 microseconds, and each NumPy call in it a few more), one part does it all.

    BLAS runs on one thread meanwhile, and gets its own setting back at the end.
    """
    global _pool
    parts = min(n, _threads) if worth else 1
    if getattr(_inside, "parallel", False):
        work(0, n)
        return
    with one_blas_thread:
        if parts <= 1:
            work(0, n)
            return
        bounds = [n * i // parts for i in range(parts + 1)]
        with _lock:
            if _pool is None:  # at least one thread: another caller may have set 1 since `parts` was computed
                _pool = ThreadPoolExecutor(max(1, _threads - 1), thread_name_prefix="minitorch_cnn")
            pool = _pool
            others = [pool.submit(_part, work, bounds[i], bounds[i + 1]) for i in range(1, parts)]
        try:
            _part(work, 0, bounds[1])
        finally:  # never leave with a thread still writing into the caller's arrays
            errors = [other.exception() for other in others]
        for error in errors:
            if error is not None:
                raise error


def _part(work, lo, hi):
    _inside.parallel = True
    try:
        work(lo, hi)
    finally:
        _inside.parallel = False


def chunks(lo, hi, bytes_each, limit=3 << 20):
    """(a, b) that cover range(lo, hi) with buffers of at most `limit` bytes, and one sample at least.

    A NumPy call in one of two threads must be long, since each call ends with a wait for the interpreter's lock: 2 to 4 MB
    buffers are best, 1 MB is up to 1.5 times slower, and so is 8 MB, which leaves the cache.
    """
    step = max(1, limit // max(1, bytes_each))
    for a in range(lo, hi, step):
        yield a, min(a + step, hi)


def sum_of_parts(sums):
    """The sum of {lo: array}, always in the order of lo, so that the result doesn't depend on which thread was first."""
    first, *others = (sums[lo] for lo in sorted(sums))
    for other in others:
        first += other
    return first


class _OneBlasThread:
    """A `with` block in which BLAS uses one thread; the setting found at the outermost entry comes back at the exit.

    Products outside of `parallel` need it too: more BLAS threads add in another order, and how many there are depends on who
    else is inside such a block at the moment.

    BLAS has one such setting for the whole process. It is looked up when the first block is entered, so importing this package
    touches nothing.
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.depth = 0
        self.switches = None  # (get, set) of each BLAS in the process

    def __enter__(self):
        with self.lock:
            self.depth += 1
            if self.depth == 1:
                if self.switches is None:
                    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
                    self.switches = [_switch(b) for b in libraries if b.internal_api in ("openblas", "mkl", "blis")]
                self.found = [get() for get, _ in self.switches]
                for _, set_threads in self.switches:
                    set_threads(1)

    def __exit__(self, *exception):
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                for (_, set_threads), threads in zip(self.switches, self.found):
                    set_threads(threads)


def _switch(library):
    """The functions (get, set) of a BLAS library's number of threads.

    threadpoolctl from 3.8 on lets only the thread that asked first set OpenBLAS's threads, and silently ignores all others. But an
    operator may be called from any thread, and BLAS with another number of threads gives other bits: so we call OpenBLAS itself.
    """
    if library.internal_api == "openblas" and library.threading_layer != "openmp":
        for prefix in ("", "scipy_"):
            for suffix in ("", "64_", "_64"):
                set_threads = getattr(library.dynlib, f"{prefix}openblas_set_num_threads{suffix}", None)
                if set_threads is not None:
                    return getattr(library.dynlib, f"{prefix}openblas_get_num_threads{suffix}"), set_threads
    return library.get_num_threads, library.set_num_threads


one_blas_thread = _OneBlasThread()


def _after_fork():
    """A forked child has none of its parent's threads: it makes its own when it needs them."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()  # the parent's may be held by a thread that the child doesn't have
    one_blas_thread.__init__()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Scratch(threading.local):
    """Buffers that are kept from call to call, one set a thread, by name.

    A fresh large array costs a page fault for every 4 KB: adding two 40 MB arrays into a new one takes 2.6 times as long as
    into an old one. A buffer grows to the largest size asked for, and is never handed out as a result.
    """

    def __init__(self):
        self.buffers = {}

    def __call__(self, name, shape, dtype):
        """An uninitialised array; the next call with the same name and dtype may return the same memory."""
        size = 1
        for extent in shape:
            size *= extent
        key = (name, dtype)
        buffer = self.buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self.buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


scratch = _Scratch()
