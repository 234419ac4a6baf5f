"""Optimisers, learning rate schedules, gradient clipping and the average of the weights.

    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

Names, arguments and formulas are PyTorch's. An optimiser's file has its paper and its formulas; sgd.py is the one to read first.
"""

from .optimizer import Optimizer
from .sgd import SGD
from .adam import Adam, AdamW
from .rmsprop import RMSprop
from .clip_grad import clip_grad_norm_
from .averaging import ExponentialMovingAverage
from . import lr_scheduler
