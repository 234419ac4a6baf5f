"""Convolutional networks from scratch: a small autograd engine, every operator by hand, NumPy on the CPU.

Reading order: autograd.py, ops/elementwise.py, backend/reference/conv.py, ops/conv.py, backend/cpu/conv_im2col.py, ops/pool.py,
ops/norm.py, ops/lrn.py, ops/loss.py, nn/module.py, optim/sgd.py, models/lenet.py, models/lenet_1998.py, examples/lenet_mnist.py,
backend/cpu/conv_rowshift.py and conv_winograd.py.
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
from . import cuda, functional, nn, optim, data, models, train, weights

__version__ = "0.1.0"
