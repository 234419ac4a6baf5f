"""`python -m minitorch_cnn.doctor`: what is installed, whether it fits together, and whether convolution is right on this machine.

Prints the versions, then checks conv2d forward and backward on each device against the textbook loops, then lists each problem
with its remedy. The exit status is 1 if something is broken. A machine without a GPU, or without CuPy, is not broken.
"""

import argparse
import os
import platform
import re
import sys
import time

import numpy as np
from threadpoolctl import threadpool_info

from . import __version__, backend, get_num_threads
from . import functional as F
from .autograd import Tensor
from .backend import devices, reference

# (shape of x, shape of weight, stride, padding, dilation, groups): one for each form of convolution, but for Winograd's: it
# takes only images that are too large for the loops
CASES = [
    ((2, 4, 9, 8), (6, 2, 3, 2), (2, 1), (1, 0), (1, 2), 2),  # all that is unequal
    ((2, 3, 9, 8), (5, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # dense 3x3
    ((2, 6, 5, 4), (5, 6, 1, 1), (1, 1), (0, 0), (1, 1), 1),  # 1x1
    ((2, 6, 7, 6), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),  # depthwise
]
# float32's rounding errors are some 1e-7 of the largest value, a reduced precision (TF32) is 1e-3, a wrong index about 1
TOLERANCE = 2e-5


def main(arguments=None):
    """Print the report; returns the exit status."""
    argparse.ArgumentParser(prog="python -m minitorch_cnn.doctor", description=__doc__.partition("\n\n")[2]).parse_args(
        arguments
    )
    gpu = devices.trouble()
    problems = [*installation_problems(gpu)]

    print(f"minitorch_cnn {__version__}\n")
    print_aligned([*cpu_facts(), *gpu_facts(gpu)])

    print("\nconv2d forward and backward, against the textbook loops")
    for device in ["cpu", *(f"cuda:{n}" for n in range(devices.device_count()))]:
        start = time.perf_counter()
        problem = self_check(device)
        print_aligned([(device, "failed" if problem else f"right, {time.perf_counter() - start:.2f} s")])
        if problem:
            problems.append(problem)

    if gpu and not gpu.fault:
        print(f"\nNo GPU will be used: {gpu.problem}. {gpu.remedy}.")
    print(f"\n{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "\nNo problem found.")
    for problem, remedy in problems:
        print(f"  problem  {problem}\n  remedy   {remedy}")
    return 1 if problems else 0


def print_aligned(rows):
    """(label, text) with the texts beneath each other."""
    for label, text in rows:
        print(f"  {label:<10}{text}")


# what is there --------------------------------------------------------------------------------------------------------


def cpu_facts():
    yield "Python", f"{platform.python_version()} at {sys.executable}"
    yield "platform", platform.platform()
    yield "NumPy", np.__version__
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    for b in blas:
        words = [b["internal_api"], b["version"], b.get("architecture"), f"{b['num_threads']} threads"]
        yield "BLAS", ", ".join(word for word in words if word)
    if not blas:  # Accelerate on macOS is one
        name = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {}).get("name", "unknown")
        yield "BLAS", f"{name}, whose threads can't be counted or set"
    yield "threads", f"{get_num_threads()}; the machine has {os.cpu_count()} cores"
    for name in sorted(os.environ):
        if re.match(r"MINITORCH_CNN_|CUPY_|CUDA_VISIBLE_DEVICES|(OMP|MKL|OPENBLAS)_NUM_THREADS", name):
            yield "set", f"{name}={os.environ[name]}"


def gpu_facts(gpu):
    """`gpu` is what devices.trouble() said: without trouble CuPy is asked for the devices, otherwise the driver is."""
    if gpu is None:
        cupy_version, made_for, version = devices.versions()
        cards = [devices.card(n) for n in range(devices.device_count())]
        yield "CuPy", f"{cupy_version}, made for CUDA {devices.cuda_text(made_for)}"
    else:
        version, cards = devices.driver()
        wheels = ", ".join(devices.installed_wheels())
        yield "CuPy", f"{wheels}, which can't be used" if wheels else "not installed"
    yield "driver", f"runs CUDA {devices.cuda_text(version)}" if version else "no NVIDIA driver found"
    if version:
        fitting = devices.wheel(version, cards)
        yield "wheel", f"cupy-cuda{fitting}x fits this driver" if fitting else "none fits a driver this old"
    for n, card in enumerate(cards):
        capability = ".".join(map(str, card.capability))
        free = f", {devices.size_text(devices.memory(n).free)} free" if gpu is None else ""
        yield f"cuda:{n}", f"{card.name}, compute capability {capability}, {devices.size_text(card.total)}{free}"


def installation_problems(gpu):
    """(problem, remedy) of all that is broken in how CuPy is installed."""
    wheels = devices.installed_wheels()
    if len(wheels) > 1:
        yield (
            f"{len(wheels)} packages bring a module cupy, and overwrite each other's files: {', '.join(wheels)}",
            f"pip uninstall {' '.join(wheels)}, then install the one that fits",
        )
    if gpu and gpu.fault:
        yield gpu.problem, gpu.remedy
    if gpu is None:
        made_for = devices.versions()[1] // 1000
        for n in range(devices.device_count()):
            card = devices.card(n)
            if not devices.fits(made_for, card):
                yield (
                    f"cuda:{n} ({card.name}) is too old for CUDA {made_for}, which this CuPy was made for",
                    f"pip uninstall {' '.join(wheels)}, then pip install 'minitorch_cnn[cuda12]'",
                )


# the self check -------------------------------------------------------------------------------------------------------


def self_check(device):
    """None if conv2d and its gradients are right on the device, otherwise (problem, remedy)."""
    rng = np.random.default_rng(0)
    try:
        for case in CASES:
            x_shape, weight_shape, *options = case
            x, weight, bias = (
                rng.standard_normal(s).astype("float32") for s in (x_shape, weight_shape, weight_shape[0])
            )
            expected = by_the_loops(x, weight, bias, *options)
            for name, value in by_the_device(device, x, weight, bias, *options).items():
                wrong = difference(value, expected[name])
                if not wrong <= TOLERANCE:  # also if it is not a number
                    return (
                        f"{device}: {name} of conv2d is wrong by {wrong:.1g} of its largest value; x {x_shape}, weight "
                        f"{weight_shape}, stride {options[0]}, padding {options[1]}, dilation {options[2]}, groups {options[3]}",
                        "Restart the machine and try again; if it stays, report it with this page",
                    )
    except (
        Exception
    ) as error:  # whatever a broken installation raises is a finding, and the other devices are still checked
        return f"{device}: {type(error).__name__}: {str(error).strip()}", remedy_for(error)
    return None


def by_the_loops(x, weight, bias, stride, padding, dilation, groups):
    """The output and the gradients of its squares' half sum, by backend/reference in float64."""
    x, weight, bias = (a.astype("float64") for a in (x, weight, bias))
    y = reference.conv2d(x, weight, bias, stride, padding, dilation, groups)
    return {
        "the output": y,
        "the gradient by x": reference.conv2d_input_gradient(y, weight, x.shape[2:], stride, padding, dilation, groups),
        "the gradient by weight": reference.conv2d_weight_gradient(
            y, x, weight.shape[2:], stride, padding, dilation, groups
        ),
        "the gradient by bias": reference.channel_sum(y),
    }


def by_the_device(device, x, weight, bias, stride, padding, dilation, groups):
    """The same on a device, by the engine."""
    x, weight, bias = (Tensor(a, requires_grad=True, device=device) for a in (x, weight, bias))
    y = F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    y.backward(y.detach())  # y is the gradient of half the sum of its squares
    arrays = {"the output": y.data, "the gradient by x": x.grad, "the gradient by weight": weight.grad}
    arrays["the gradient by bias"] = bias.grad
    return {name: backend.to_numpy(array) for name, array in arrays.items()}


def difference(value, expected):
    """The largest difference, as a part of the largest expected value; infinite if the shapes differ."""
    if value.shape != expected.shape:
        return np.inf
    return np.abs(value - expected).max() / np.abs(expected).max()


def remedy_for(error):
    if isinstance(error, MemoryError):
        return "End other programs that use this device (nvidia-smi lists them)"
    if re.search("cublas|nvrtc|cudart|cuda_fp16|CUDA_PATH", str(error), re.IGNORECASE):
        wheels = " ".join(devices.installed_wheels()) or "cupy-cuda12x"
        return f"CuPy lacks a part of the CUDA toolkit, which comes with: pip install '{wheels}[ctk]'"
    return "Report this page; on a GPU, see first if nvidia-smi and a program of CuPy's own run"


if __name__ == "__main__":
    sys.exit(main())
