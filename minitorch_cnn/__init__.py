"""Convolutional networks from scratch: a small autograd engine, every operator by hand, NumPy on the CPU.

Reading order: autograd.py, ops/conv.py, backend/cpu/conv_im2col.py, nn/module.py, models/lenet.py, examples/lenet_mnist.py.
"""

from .autograd import Function, Tensor, detect_anomaly, is_grad_enabled, no_grad
from .backend import DeviceError
from .backend.cpu.conv import conv_algorithm
from .backend.cpu.threads import get_num_threads, set_num_threads
from .backend.random import manual_seed
from .gradcheck import gradcheck
from .ops import tensor_methods as _tensor_methods  # gives Tensor its operators
from .ops.elementwise import maximum, minimum, where
from .ops.linear import matmul
from .ops.shape import cat, stack
from . import functional, nn, optim, data, models, train

__version__ = "0.1.0"
