"""A process for each framework, which times what it is told to.

Its own process, because what a library sets there would be the others' too: minitorch_cnn tells the C library to keep freed memory,
which makes PyTorch's 1x1 convolution 1.9 times as fast and DeZero's LeNet-5 step twice, and which their users don't have.
"""

import importlib
import multiprocessing
import time

from rows import PREPARE

HOMES = {"Ours": "frameworks", "PyTorch": "frameworks", "DeZero": "peers", "Chainer": "peers"}


class Worker:
    """The process of one framework. Raises ImportError, with the reason, where it isn't installed."""

    def __init__(self, name):
        spawn = multiprocessing.get_context("spawn")  # a fork would inherit what this process has set
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(name, theirs), daemon=True)
        self.process.start()
        theirs.close()
        missing = self.pipe.recv()
        if missing:
            raise ImportError(missing)

    def prepare(self, row):
        """Make the row's function, and call it until it is warm."""
        self._ask("prepare", row)

    def sample(self, seconds):
        """Seconds a call of the row's function, which is called for about so many seconds; the first call doesn't count."""
        return self._ask("sample", seconds)

    def _ask(self, *request):
        self.pipe.send(request)
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"the benchmark's process ended with {self.process.exitcode} at {request}") from None


def _serve(name, pipe):
    try:
        framework = getattr(importlib.import_module(HOMES[name]), name)()
    except ImportError as error:
        pipe.send(str(error))
        return
    pipe.send(None)
    while True:
        try:
            request, argument = pipe.recv()
        except EOFError:
            return  # the benchmark is over
        if request == "prepare":
            function = PREPARE[argument](framework)
            function()
            took = _seconds(function, 1)
            pipe.send(None)
        else:
            calls = max(1, round(argument / took))
            function()  # a core that has rested is slow at first, and its caches hold something else
            took = _seconds(function, calls)
            pipe.send(took)


def _seconds(function, calls):
    began = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - began) / calls
