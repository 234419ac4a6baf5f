"""The CUDA half in numbers that need no GPU: kernel launches, waits and copies of a training step, and the bytes that kernels move.

    python CUPY_ON_CPU/run.py benchmarks/counts.py     under an emulated device, which counts

Bytes are computed from the shapes of the arrays that each kernel is given: an array counts once for each pass over it, and what
neighbouring threads read again comes from the cache. `least` counts each array that the operator must read or write once.
"""

import cupy
import cupy_on_cpu
import numpy as np
from frameworks import Ours

from minitorch_cnn.backend import gpu

LAUNCHES = [("LeNet-5, batch 32", "lenet5", 32, 75), ("ResNet-20, batch 4", "resnet20", 4, None)]
CONV_BN_RELU = 16  # launches at most: forward, backward and update

# how often a kernel goes over an array, where that isn't once: {kernel: {number of the array among its arguments: times}}
PASSES = {
    "mt_batch_norm": {0: 2},  # x for the statistics, and again for the output
    "mt_batch_norm_backward": {0: 2, 1: 2},  # g and x for the sums, and again for the gradient
}


def count(step):
    """What the emulated device counted of one step, after two that compile."""
    step()
    step()
    with cupy_on_cpu.count() as counts:
        step()
    return counts


class Traffic:
    """Stands in for a kernel of backend/gpu, and adds up the bytes of the arrays that it is given."""

    total = 0

    def __init__(self, kernel):
        self.kernel = kernel

    def __call__(self, *arguments):
        passes = PASSES.get(self.kernel.name, {})
        arrays = [a for a in arguments if isinstance(a, cupy.ndarray)]
        Traffic.total += sum(passes.get(i, 1) * a.nbytes for i, a in enumerate(arrays))
        return self.kernel(*arguments)


def moved(function):
    """Bytes that the package's kernels move while function() runs."""
    modules = (gpu.activation, gpu.conv, gpu.lrn, gpu.norm, gpu.pool)
    kernels = [
        (module, name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, cupy.ElementwiseKernel | gpu.norm.BlockKernel)
    ]
    for module, name, kernel in kernels:
        setattr(module, name, Traffic(kernel))
    Traffic.total = 0
    function()
    for module, name, kernel in kernels:
        setattr(module, name, kernel)
    return Traffic.total


def array(*shape):
    return cupy.asarray(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def rows():
    """(name, what is run, the arrays that it must read and write)."""
    x = array(4, 16, 32, 32)
    window = ((3, 3), (1, 1), (1, 1), (1, 1))
    columns = gpu.im2col(x, *window)
    yield "im2col 3x3", lambda: gpu.im2col(x, *window), (x, columns)
    yield "col2im 3x3", lambda: gpu.conv._image(columns.transpose(1, 0, 2), x, *window), (columns, x)
    for name, options in (("2x2", ((2, 2), (2, 2), (0, 0))), ("3x3/2", ((3, 3), (2, 2), (1, 1)))):
        most, mean = (*options, (1, 1), False), (*options, False, True, None)
        y, z = gpu.max_pool2d(x, *most), gpu.avg_pool2d(x, *mean)
        yield f"max pool {name}", lambda most=most: gpu.max_pool2d(x, *most), (x, y)
        yield f"max pool {name} backward", lambda most=most, y=y: gpu.max_pool2d_backward(y, x, y, *most), (y, x, x)
        yield f"average pool {name}", lambda mean=mean: gpu.avg_pool2d(x, *mean), (x, z)
        yield (
            f"average pool {name} backward",
            lambda mean=mean, z=z: gpu.avg_pool2d_backward(z, (32, 32), *mean),
            (z, x),
        )
    w, mean, var = array(16), array(16), abs(array(16))
    yield "batch norm", lambda: gpu.batch_norm(x, w, w, mean, var, 0.1, 1e-5), (x, x)
    yield "batch norm backward", lambda: gpu.batch_norm_backward(x, x, w, mean, var, 1e-5), (x, x, x)
    yield "LRN", lambda: gpu.local_response_norm(x, 5, 1e-4, 0.75, 2.0), (x, x)
    yield "LRN backward", lambda: gpu.local_response_norm_backward(x, x, x, 5, 1e-4, 0.75, 2.0), (x, x, x)


def conv_bn_relu(framework):
    """Launches that one more convolution with batch norm and ReLU costs a training step."""
    launches = []
    for depth in (2, 3):

        def build(nn, depth=depth):
            layers = [nn.Conv2d(3, 8, 3)]
            for _ in range(depth):
                layers += [nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
            return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

        launches.append(sum(count(framework.train_step((build, (3, 8, 8)), 2)).launches.values()))
    return launches[1] - launches[0]


def main():
    framework = Ours("cuda")
    print(f"CuPy {cupy.__version__} on {cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}")
    print(f"{'a training step':40}{'launches':>10}{'at most':>10}{'waits':>10}{'copies':>10}")
    for name, network, batch, most in LAUNCHES:
        counts = count(framework.train_step(network, batch))
        launches = sum(counts.launches.values())
        print(f"{name:40}{launches:10}{most or '':>10}{len(counts.syncs):10}{len(counts.transfers):10}")
    print(f"{'one more conv-bn-relu':40}{conv_bn_relu(framework):10}{CONV_BN_RELU:10}")
    print(f"\n{'kernels of (4, 16, 32, 32) float32':40}{'least, kB':>10}{'moved, kB':>10}{'ratio':>10}{'at most':>10}")
    for name, function, arrays in rows():
        least, bytes_moved = sum(a.nbytes for a in arrays), moved(function)
        print(f"{name:40}{least / 1024:10.0f}{bytes_moved / 1024:10.0f}{bytes_moved / least:10.2f}{1.5:10}")
    print(
        "(batch norm must read its inputs twice where a channel doesn't fit on the chip: no output before the sums are complete)"
    )


if __name__ == "__main__":
    main()
