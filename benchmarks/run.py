"""How fast: ratios of minitorch_cnn's time to PyTorch's, each row measured in turns.

    python benchmarks/run.py                    every row
    python benchmarks/run.py --only conv lenet  the rows whose name holds one of these words
    python benchmarks/run.py --device cuda      on a GPU, against PyTorch's CUDA
    python benchmarks/run.py --smoke            each row once, to see that it runs; the numbers mean nothing

A ratio below 1 is faster than PyTorch. Both use two threads, float32, NCHW. For each row, each framework has processes of its own,
a new one every ten rounds (`worker.py` says why). Each round times one and then the other while the first waits, so that both meet
the same disturbances; the minimum over the rounds counts. DeZero and Chainer are timed too where they are installed (their column:
how many times as long as minitorch_cnn they take).
"""

import argparse
import importlib.util
import platform
import time

import memory
import numpy as np
from frameworks import THREADS
from rows import MEMORY, OPERATORS, STEPS, WHOLE
from worker import HOMES, Worker, why_absent

from minitorch_cnn.backend import DeviceError
from minitorch_cnn.backend.devices import require

SAMPLE = 0.15  # seconds
REST = 0.03  # seconds: the other library's threads spin for a while before they sleep
ROUNDS_EACH = 10  # of a process
PEERS = ("DeZero", "Chainer")


def measure(names, row, rounds, sample, device):
    """{name: seconds} of each framework: the shortest time over the rounds; the peers, much slower, take part in every fifth."""
    best = dict.fromkeys(names, float("inf"))
    for first in range(0, rounds, ROUNDS_EACH):
        workers = {name: Worker(name, row, device) for name in names}
        for i in range(first, min(first + ROUNDS_EACH, rounds)):
            for name, worker in workers.items():
                if name in PEERS and i % 5:
                    continue
                time.sleep(REST)
                best[name] = min(best[name], worker.sample(sample))
        for worker in workers.values():
            worker.close()
    return best


def engine_overhead(rounds):
    """Microseconds that the engine adds to NumPy's own for one addition of 4 floats, recorded."""
    import minitorch_cnn as mt

    def shortest(function):
        best = float("inf")
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(1000):
                function()
            best = min(best, time.perf_counter() - began)
        return best / 1000

    x, y = np.ones(4, np.float32), np.ones(4, np.float32)
    a, b = mt.Tensor(x, requires_grad=True), mt.Tensor(y)
    return (shortest(lambda: a + b) - shortest(lambda: x + y)) * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=30, help="rounds a row (30)")
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    parser.add_argument("--smoke", action="store_true", help="one round a row: only see that everything runs")
    args = parser.parse_args()
    try:
        if args.device != "cpu":
            require(args.device)
    except (DeviceError, ValueError) as error:
        parser.error(str(error))
    rounds, sample = (1, 0) if args.smoke else (args.rounds, SAMPLE)
    names = []
    for name in HOMES if args.device == "cpu" else ["Ours", "PyTorch"]:
        reason = why_absent(name)
        if reason is None:
            names.append(name)
        else:
            print(f"{name} is left out: {reason}")
    both = [name for name in names if name not in PEERS]
    with_torchvision = both
    if "PyTorch" in both and importlib.util.find_spec("torchvision") is None:
        with_torchvision = ["Ours"]
        print("torchvision isn't installed: PyTorch is left out where the network is its")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {THREADS} threads, {rounds} rounds, times in ms"
    )
    print(f"{'forward and backward':50}{'ours':>9}{'PyTorch':>9}{'ratio':>8}{'asked':>7}{'DeZero':>9}{'Chainer':>9}")
    wanted = lambda row: any(word.lower() in row[0].lower() for word in args.only)
    for name, asked, _ in filter(wanted, STEPS):
        print_row(name, asked, measure(names, name, rounds, sample, args.device), 1e3)
    for name, asked, _ in filter(wanted, WHOLE):
        print_row(name, asked, measure(with_torchvision, name, rounds, sample, args.device), 1e3)
    for name, asked, _ in filter(wanted, OPERATORS):
        print_row(name, asked, measure(both, name, rounds, sample, args.device), 1e3)
    if wanted(MEMORY) and args.device == "cpu":
        print_row(*MEMORY, {name: memory.above_the_model(name) for name in both}, 2**-20)
    print(f"the engine: {engine_overhead(rounds):.1f} microseconds an operator beyond NumPy's own (asked: 3)")


def print_row(name, asked, values, scale):
    if None in values.values():
        print(f"{name:50} left out: only Linux counts it", flush=True)
        return
    ours = values["Ours"]
    line = f"{name:50}{ours * scale:9.2f}"
    if "PyTorch" in values:
        line += f"{values['PyTorch'] * scale:9.2f}{ours / values['PyTorch']:8.2f}{asked:7g}"
    else:
        line += " " * 24
    for peer in PEERS:
        line += f"{values[peer] / ours:8.1f}x" if peer in values else ""
    print(line.rstrip(), flush=True)


if __name__ == "__main__":
    main()
