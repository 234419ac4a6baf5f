"""Convolutional networks from scratch: a small autograd engine, every operator by hand, NumPy on the CPU.

Reading order: autograd.py, ops/conv.py, backend/cpu/conv.py, nn/module.py, models/lenet.py, examples/lenet_mnist.py.
"""

from .autograd import Function, Tensor, detect_anomaly, is_grad_enabled, no_grad
from .backend.cpu.conv import conv_algorithm
from .backend.cpu.threads import get_num_threads, set_num_threads
from .backend.random import manual_seed
from .gradcheck import gradcheck

__version__ = "0.1.0"
