"""The training steps in DeZero and Chainer, two other NumPy frameworks: LeNet-5 and ResNet-20, each once for both.

Both are older than today's NumPy. The names that NumPy has dropped since are given back to them, in this program only.
"""

import warnings

import numpy as np


def lenet5(lib):
    c1, c2 = lib.conv(1, 6, 5, 1, 2), lib.conv(6, 16, 5, 1, 0)
    f1, f2, f3 = lib.linear(400, 120), lib.linear(120, 84), lib.linear(84, 10)

    def forward(x):
        x = lib.max_pool(lib.relu(c1(x)), 2)
        x = lib.max_pool(lib.relu(c2(x)), 2)
        return f3(lib.relu(f2(lib.relu(f1(lib.flatten(x))))))

    return [c1, c2, f1, f2, f3], forward


def resnet20(lib):
    layers = []

    def conv_bn(channels, width, k, stride):
        c, b = lib.conv(channels, width, k, stride, k // 2, bias=False), lib.batch_norm(width)
        layers.extend((c, b))
        return lambda x: b(c(x))

    stem, blocks, channels = conv_bn(3, 16, 3, 1), [], 16
    for width, stride in [(16, 1)] * 3 + [(32, 2)] + [(32, 1)] * 2 + [(64, 2)] + [(64, 1)] * 2:
        shortcut = conv_bn(channels, width, 1, stride) if stride != 1 else lambda x: x
        blocks.append((conv_bn(channels, width, 3, stride), conv_bn(width, width, 3, 1), shortcut))
        channels = width
    head = lib.linear(64, 10)
    layers.append(head)

    def forward(x):
        x = lib.relu(stem(x))
        for first, second, shortcut in blocks:
            x = lib.relu(second(lib.relu(first(x))) + shortcut(x))
        return head(lib.flatten(lib.average_pool(x, 8)))

    return layers, forward


NETWORKS = {"lenet5": (lenet5, (1, 28, 28)), "resnet20": (resnet20, (3, 32, 32))}


class DeZero:
    """DeZero 0.0.13."""

    def __init__(self, device):
        _give_back_old_names()
        import dezero
        import dezero.functions as F
        import dezero.layers as L

        self.dezero = dezero
        self.conv = lambda c, o, k, s, p, bias=True: L.Conv2d(o, k, s, p, nobias=not bias, in_channels=c)
        self.linear = lambda i, o: L.Linear(o, in_size=i)
        self.batch_norm = lambda channels: L.BatchNorm()
        self.relu, self.max_pool, self.average_pool = F.relu, lambda x, k: F.pooling(x, k, k), F.average_pooling
        self.flatten = lambda x: F.reshape(x, (x.shape[0], -1))
        self.loss, self.wait = F.softmax_cross_entropy, lambda: None

    def train_step(self, network, batch):
        build, images, labels = _work(network, batch)
        layers, forward = build(self)
        model = self.dezero.Layer()
        for i, layer in enumerate(layers):
            setattr(model, f"layer{i}", layer)
        forward(images)  # batch norm makes its parameters when it meets an image
        optimizer = self.dezero.optimizers.MomentumSGD(lr=0.01, momentum=0.9).setup(model)

        def step():
            model.cleargrads()
            self.loss(forward(images), labels).backward()
            optimizer.update()

        return step


class Chainer:
    """Chainer 7.8.1."""

    def __init__(self, device):
        _give_back_old_names()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import chainer
            import chainer.functions as F
            import chainer.links as L

        self.chainer = chainer
        self.conv = lambda c, o, k, s, p, bias=True: L.Convolution2D(c, o, k, s, p, nobias=not bias)
        self.linear, self.batch_norm = L.Linear, L.BatchNormalization
        self.relu, self.max_pool, self.average_pool = F.relu, F.max_pooling_2d, F.average_pooling_2d
        self.flatten = lambda x: x.reshape(x.shape[0], -1)
        self.loss, self.wait = F.softmax_cross_entropy, lambda: None

    def train_step(self, network, batch):
        build, images, labels = _work(network, batch)
        layers, forward = build(self)
        model = self.chainer.ChainList(*layers)
        optimizer = self.chainer.optimizers.MomentumSGD(lr=0.01, momentum=0.9).setup(model)

        def step():
            model.cleargrads()
            self.loss(forward(images), labels.astype(np.int32)).backward()
            optimizer.update()

        return step


def _work(network, batch):
    build, image_shape = NETWORKS[network]
    rng = np.random.default_rng(0)
    return build, rng.standard_normal((batch, *image_shape), dtype=np.float32), rng.integers(0, 10, batch)


def _give_back_old_names():
    for name, kind in {"bool": bool, "int": int, "float": float, "object": object}.items():
        if name not in vars(np):
            setattr(np, name, kind)
    if "sctypes" not in vars(np):
        np.sctypes = {"int": [np.int8, np.int16, np.int32, np.int64]}  # noqa: NPY201 (it is given back)
