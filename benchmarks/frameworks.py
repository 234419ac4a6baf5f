"""The same work in minitorch_cnn and in PyTorch, whose names are the same: each makes a function to be timed.

Two threads, float32, NCHW; on the CPU, or on a "cuda" device.
"""

import numpy as np
from nets import IMAGENET, NETWORKS

THREADS = 2


class Ours:
    """minitorch_cnn."""

    def __init__(self, device="cpu"):
        import minitorch_cnn as mt
        import minitorch_cnn.functional as F
        from minitorch_cnn import models, nn, optim

        mt.set_num_threads(THREADS)
        self.nn, self.F, self.SGD, self.device = nn, F, optim.SGD, device
        self.imagenet, self.no_grad = models.create, mt.no_grad
        self.tensor = lambda array, requires_grad=False: mt.Tensor(array, requires_grad, device)
        self.wait = mt.cuda.synchronize if device != "cpu" else lambda: None

    def prepared(self, network, batch):
        """A network by a name of nets.py, or such a pair, and random images for it."""
        if network in IMAGENET:
            build, image_shape = lambda nn: self.imagenet(network, **IMAGENET[network]), (3, 224, 224)
        else:
            build, image_shape = NETWORKS[network] if isinstance(network, str) else network
        images = np.random.default_rng(0).standard_normal((batch, *image_shape), dtype=np.float32)
        return build(self.nn).to(self.device), self.tensor(images)

    def inference(self, network, batch):
        """One forward pass in evaluation mode, nothing recorded."""
        model, images = self.prepared(network, batch)
        model.eval()

        def run():
            with self.no_grad():
                model(images)

        return run

    def train_step(self, network, batch):
        """A whole step of training: forward, loss, backward, SGD with momentum."""
        model, images = self.prepared(network, batch)
        labels = self.tensor(np.random.default_rng(1).integers(0, 10, batch))
        # so slow that no network diverges in all the rounds: with 0.01 VGG-16's numbers overflow
        optimizer = self.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)

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
        self.imagenet, self.no_grad = _torchvision, torch.no_grad
        self.nn, self.F, self.SGD, self.device = nn, F, torch.optim.SGD, device
        self.tensor = lambda array, requires_grad=False: torch.tensor(array, requires_grad=requires_grad, device=device)
        self.wait = torch.cuda.synchronize if device != "cpu" else lambda: None


def _torchvision(name, **options):
    import torchvision

    return torchvision.models.get_model(name, weights=None, **options)
