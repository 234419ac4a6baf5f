"""A process that does one row's work in one framework, and times it.

Its own process, because what a library sets there would be the others' too: minitorch_cnn tells the C library to keep freed memory,
which their users don't have. And a new one for each row, because the C library by itself gives less back after larger arrays: a row
would depend on those before it. Even so, whether a process happens to get the same memory again for each step decides between 20
and 40 ms of PyTorch's 1x1 convolution, and between 9 and 17 ms of Chainer's LeNet-5 step, so each is tried in several.
"""

import importlib
import multiprocessing
import time

from rows import PREPARE

HOMES = {"Ours": "frameworks", "PyTorch": "frameworks", "DeZero": "peers", "Chainer": "peers"}
SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit what this process has set


class Worker:
    """The process in which a framework does a row's work, again and again; it begins warm."""

    def __init__(self, name, row, device):
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(name, row, device, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self._answer()

    def sample(self, seconds):
        """Seconds that the work takes, on the average over about so many seconds."""
        self.pipe.send(seconds)
        return self._answer()

    def close(self):
        """End the process."""
        self.pipe.close()
        self.process.join()

    def _answer(self):
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"a process of the benchmark ended by itself: {self.process}") from None


def why_absent(name):
    """Why a framework can't be imported; None where it can."""
    with SPAWN.Pool(1) as pool:
        return pool.apply(_import_error, (name,))


def _import_error(name):
    try:
        _framework(name, "cpu")
    except ImportError as error:
        return str(error)


def _framework(name, device):
    return getattr(importlib.import_module(HOMES[name]), name)(device)


def _serve(name, row, device, pipe):
    framework = _framework(name, device)
    work = PREPARE[row](framework)
    work()
    once = _seconds(work, 1, framework.wait)
    pipe.send(None)
    while True:
        try:
            calls = max(1, round(pipe.recv() / once))
        except EOFError:
            return  # closed
        work()  # not counted: a core that has rested is slow at first, and its caches hold something else
        pipe.send(_seconds(work, calls, framework.wait))


def _seconds(work, calls, wait):
    """Seconds a call; a GPU, which Python only tells what to do, is waited for at the end."""
    wait()
    began = time.perf_counter()
    for _ in range(calls):
        work()
    wait()
    return (time.perf_counter() - began) / calls
