"""How fast: ratios of minitorch_cnn's time to PyTorch's, each row measured in turns within one process.

    python benchmarks/run.py                    every row
    python benchmarks/run.py --only conv lenet  the rows whose name holds one of these words
    python benchmarks/run.py --smoke            each row once, to see that it runs; the numbers mean nothing

A ratio below 1 is faster than PyTorch. Both use two threads, float32, NCHW. Each round times one and then the other, with a rest
between, so that both meet the same disturbances; the minimum over the rounds counts. DeZero and Chainer are timed too where they
are installed (their column: how many times as long as minitorch_cnn they take).
"""

import argparse
import platform
import time

import memory
import numpy as np
from frameworks import THREADS, Ours, PyTorch
from peers import Chainer, DeZero

# what is timed, the ratio to PyTorch that is asked for, and how to make it
STEPS = [
    ("LeNet-5 train step, batch 1", 0.9, "lenet5", 1),
    ("LeNet-5 train step, batch 32", 1.5, "lenet5", 32),
    ("LeNet-5 train step, batch 128", 1.2, "lenet5", 128),
    ("ResNet-20 train step, batch 128", 1.5, "resnet20", 128),
]
OPERATORS = [
    ("conv 3x3, 64 channels, 56x56, batch 16", 1.2, lambda F, x, w: F.conv2d(x, w, padding=1),
     (16, 64, 56, 56), (64, 64, 3, 3)),
    ("conv 3x3, 256 channels, 14x14, batch 16", 1.2, lambda F, x, w: F.conv2d(x, w, padding=1),
     (16, 256, 14, 14), (256, 256, 3, 3)),
    ("conv 1x1, 256 to 64, 56x56, batch 8", 0.6, lambda F, x, w: F.conv2d(x, w),
     (8, 256, 56, 56), (64, 256, 1, 1)),
    ("conv depthwise 3x3, 96 channels, 56x56, batch 8", 3, lambda F, x, w: F.conv2d(x, w, padding=1, groups=96),
     (8, 96, 56, 56), (96, 1, 3, 3)),
    ("max pool 2x2, (32, 64, 56, 56)", 0.6, lambda F, x: F.max_pool2d(x, 2), (32, 64, 56, 56)),
    ("max pool 3x3/2, (32, 64, 56, 56)", 1.0, lambda F, x: F.max_pool2d(x, 3, stride=2, padding=1), (32, 64, 56, 56)),
    ("LRN n=5, (16, 96, 27, 27)", 0.25, lambda F, x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0), (16, 96, 27, 27)),
    ("batch norm, training, (32, 64, 32, 32)", 1.2, lambda F, x, w, b: F.batch_norm(x, None, None, w, b, training=True),
     (32, 64, 32, 32), (64,), (64,)),
]  # fmt: skip
MEMORY = ("ResNet-20 train step, MiB above the model", 1.3)


def measure(functions, rounds, least=0.01, rest=0.03):
    """{name: seconds}: the shortest time of each of {name: function}, timed in turns; a sample lasts `least` seconds."""
    counts = {}
    for name, function in functions.items():
        function()
        function()
        began = time.perf_counter()
        function()
        counts[name] = max(1, int(least / max(time.perf_counter() - began, 1e-6)))
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(rest)  # the other library's threads spin for a while before they sleep
            began = time.perf_counter()
            for _ in range(counts[name]):
                function()
            best[name] = min(best[name], (time.perf_counter() - began) / counts[name])
    return best


def engine_overhead(rounds):
    """Microseconds that the engine adds to NumPy's own for one addition of 4 floats, recorded."""
    import minitorch_cnn as mt

    def repeat(function):
        for _ in range(1000):
            function()

    x, y = np.ones(4, np.float32), np.ones(4, np.float32)
    a, b = mt.Tensor(x, requires_grad=True), mt.Tensor(y)
    best = measure({"ours": lambda: repeat(lambda: a + b), "numpy": lambda: repeat(lambda: x + y)}, rounds)
    return (best["ours"] - best["numpy"]) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=30, help="rounds a row (30)")
    parser.add_argument("--smoke", action="store_true", help="one round a row: only see that everything runs")
    args = parser.parse_args()
    if args.smoke:
        args.rounds = 1
    frameworks = {}
    for framework in (Ours, PyTorch, DeZero, Chainer):
        try:
            frameworks[framework.__name__] = framework()
        except ImportError as error:
            print(f"{framework.__name__} is left out: {error}")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {THREADS} threads, {args.rounds} rounds, times in ms"
    )
    print(f"{'forward and backward':50}{'ours':>9}{'PyTorch':>9}{'ratio':>8}{'asked':>7}{'DeZero':>9}{'Chainer':>9}")
    wanted = lambda row: any(word.lower() in row[0].lower() for word in args.only)
    for row in filter(wanted, STEPS):
        name, limit, network, batch = row
        steps = {name: framework.train_step(network, batch) for name, framework in frameworks.items()}
        print_row(name, limit, measure(steps, args.rounds), 1e3)
    for row in filter(wanted, OPERATORS):
        name, limit, function, *shapes = row
        both = {key: frameworks[key].operator(function, *shapes) for key in ("Ours", "PyTorch") if key in frameworks}
        print_row(name, limit, measure(both, args.rounds), 1e3)
    if wanted(MEMORY):
        both = {key: memory.above_the_model(key) for key in ("Ours", "PyTorch") if key in frameworks}
        print_row(*MEMORY, both, 2**-20)
    print(f"the engine: {engine_overhead(args.rounds):.1f} microseconds an operator beyond NumPy's own (asked: 3)")


def print_row(name, limit, values, scale):
    if None in values.values():
        print(f"{name:50} left out: only Linux counts it", flush=True)
        return
    ours = values["Ours"]
    line = f"{name:50}{ours * scale:9.2f}"
    if "PyTorch" in values:
        line += f"{values['PyTorch'] * scale:9.2f}{ours / values['PyTorch']:8.2f}{limit:7g}"
    else:
        line += " " * 24
    for peer in ("DeZero", "Chainer"):
        line += f"{values[peer] / ours:8.1f}x" if peer in values else ""
    print(line.rstrip(), flush=True)


if __name__ == "__main__":
    main()
