"""Schedules by a formula: LambdaLR, StepLR, MultiStepLR, LinearLR, CosineAnnealingLR.

LambdaLR works out the rate from the one at the start. The others work out the next rate from the present one, as in PyTorch, so two
of them on one optimizer multiply. Each docstring has the closed form that comes to the same.
"""

import math

from .scheduler import LRScheduler, an_optimizer, for_each_group


class LambdaLR(LRScheduler):
    """The first rate times a function of the number of steps: lr = base * lr_lambda(last_epoch).

    Args:
        optimizer: see LRScheduler.
        lr_lambda: a function of an int, or a list with one for each group. It isn't stored in the state: make the scheduler with
            the same one before loading.
        last_epoch: see LRScheduler.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    >>> scheduler.step(); scheduler.get_last_lr()
    [4.0]
    """

    not_in_state = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        self.optimizer = an_optimizer(self, optimizer)
        self.lr_lambdas = for_each_group(self, "lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]


class StepLR(LRScheduler):
    """Times gamma after every step_size steps: lr = base * gamma ** (last_epoch // step_size).

    Raises: ValueError if step_size isn't at least 1.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> scheduler.step(); scheduler.step(); scheduler.get_last_lr()
    [4.0]
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, float(gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if due else lr for lr in self.present_lrs()]


class MultiStepLR(LRScheduler):
    """Times gamma at each of the milestones: lr = base * gamma ** (the number of milestones up to last_epoch).

    The schedule of ResNet's paper (1512.03385, section 4.2): gamma 0.1 at 32,000 and 48,000 of 64,000 iterations. A milestone that
    is given twice counts twice.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> [scheduler.step() or scheduler.get_last_lr()[0] for _ in range(4)]
    [4.0, 4.0, 2.0, 2.0]
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = sorted(milestones), float(gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [lr * factor for lr in self.present_lrs()]


class LinearLR(LRScheduler):
    """From start_factor to end_factor times the first rate in total_iters equal steps, then constant; a warm-up.

        lr = base * (start_factor + (end_factor - start_factor) * min(last_epoch, total_iters) / total_iters)

    Raises: ValueError if start_factor isn't in (0, 1] or end_factor not in [0, 1].

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> scheduler.get_last_lr() + [scheduler.step() or scheduler.get_last_lr()[0] for _ in range(4)]
    [2.0, 4.0, 6.0, 8.0, 8.0]
    """

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be between 0 and 1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = float(start_factor), float(end_factor), total_iters
        super().__init__(optimizer, last_epoch)

    def first_lr(self):
        factor = self.start_factor if self.last_epoch == 0 else 1
        return [lr * factor for lr in self.present_lrs()]

    def get_lr(self):
        if self.last_epoch > self.total_iters:
            return self.present_lrs()
        # the factor now / the factor one step ago, both times total_iters
        step = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * step
        return [lr * (1 + step / before) for lr in self.present_lrs()]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the first rate down to eta_min in T_max steps (SGDR, Loshchilov, Hutter, 1608.03983, equation 5).

        lr = eta_min + (base - eta_min) * (1 + cos(pi * last_epoch / T_max)) / 2

    There are no restarts: further steps follow the cosine up again.
    Raises: ValueError if T_max isn't above 0.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=2)
    >>> [scheduler.step() or round(scheduler.get_last_lr()[0], 12) for _ in range(2)]
    [4.0, 0.0]
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        if not T_max > 0:
            raise ValueError(f"CosineAnnealingLR: T_max must be above 0, got {T_max}")
        self.T_max, self.eta_min = T_max, float(eta_min)
        super().__init__(optimizer, last_epoch)

    def first_lr(self):
        return self.present_lrs()

    def get_lr(self):
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # one step after the lowest point, where the present rate is eta_min and says nothing of how far it was up
            up = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * up for lr, base in zip(self.present_lrs(), self.base_lrs)]
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return [self.eta_min + (lr - self.eta_min) * now / before for lr in self.present_lrs()]
