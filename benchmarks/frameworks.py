"""The same work in minitorch_cnn and in PyTorch, whose names are the same: each makes a function to be timed.

Two threads, float32, NCHW; on the CPU, or on a "cuda" device.
"""

import numpy as np
from nets import NETWORKS

THREADS = 2


class Ours:
    """minitorch_cnn."""

    def __init__(self, device="cpu"):
        import minitorch_cnn as mt
        import minitorch_cnn.functional as F
        from minitorch_cnn import nn, optim

        mt.set_num_threads(THREADS)
        self.nn, self.F, self.SGD, self.device = nn, F, optim.SGD, device
        self.tensor = lambda array, requires_grad=False: mt.Tensor(array, requires_grad, device)
        self.wait = mt.cuda.synchronize if device != "cpu" else lambda: None

    def train_step(self, network, batch):
        """A whole step of training: forward, loss, backward, SGD with momentum. `network` is a name of nets.py, or such a pair."""
        build, image_shape = NETWORKS[network] if isinstance(network, str) else network
        rng = np.random.default_rng(0)
        images = self.tensor(rng.standard_normal((batch, *image_shape), dtype=np.float32))
        labels = self.tensor(rng.integers(0, 10, batch))
        model = build(self.nn).to(self.device)
        optimizer = self.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

        def step():
            optimizer.zero_grad()
            self.F.cross_entropy(model(images), labels).backward()
            optimizer.step()

        return step

    def operator(self, function, *shapes):
        """One operator on random inputs of these shapes, forward and backward by all of them."""
        rng = np.random.default_rng(0)
        inputs = [self.tensor(rng.standard_normal(shape, dtype=np.float32), requires_grad=True) for shape in shapes]
        output_shape = tuple(function(self.F, *inputs).shape)
        gradient = self.tensor(rng.standard_normal(output_shape, dtype=np.float32))

        def run():
            for x in inputs:
                x.grad = None
            function(self.F, *inputs).backward(gradient)

        return run


class PyTorch(Ours):
    """PyTorch: the same work by the same names."""

    def __init__(self, device="cpu"):
        import torch
        import torch.nn.functional as F
        from torch import nn

        torch.set_num_threads(THREADS)
        self.nn, self.F, self.SGD, self.device = nn, F, torch.optim.SGD, device
        self.tensor = lambda array, requires_grad=False: torch.tensor(array, requires_grad=requires_grad, device=device)
        self.wait = torch.cuda.synchronize if device != "cpu" else lambda: None
