"""Layers and networks. Read module.py first; the layers are the operators of `functional` with their weights and options kept."""

from . import init
from .module import Buffer, Module, Parameter
from .containers import Flatten, Identity, ModuleList, Sequential
from .linear import Linear
from .conv import Conv2d, ConvTranspose2d, Fold, Unfold
from .pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm
from .activation import (
    ELU,
    GELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .dropout import Dropout
from .resize import ConstantPad2d, ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d
from .attention import MultiheadAttention
from .loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, NLLLoss
from .summary import summary
