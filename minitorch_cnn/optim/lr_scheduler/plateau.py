"""ReduceLROnPlateau: a lower rate once a measurement, such as the validation loss, has stopped getting better.

AlexNet's authors did this by hand: "divide the learning rate by 10 when the validation error rate stopped improving" (Krizhevsky
et al. 2012, section 5).
"""

from .scheduler import LRScheduler, an_optimizer, for_each_group


class ReduceLROnPlateau(LRScheduler):
    """Times factor, when more than `patience` measurements in a row were no better than the best.

    Args:
        optimizer: whose rates are to be set.
        mode: "min" if less is better, "max" if more is.
        factor: below 1.
        patience: so many measurements without an improvement are forgiven.
        threshold: what counts as an improvement on the best.
        threshold_mode: "rel": by the part `threshold` of the best; "abs": by `threshold`.
        cooldown: so many measurements after a reduction don't count as bad.
        min_lr: the lowest rate, a number or a list with one for each group.
        eps: a change of a rate that is no larger than this isn't made.
    Raises: ValueError for a factor of 1 or more, an unknown mode, or a list of the wrong length.
    Source: torch.optim.lr_scheduler.ReduceLROnPlateau.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> [scheduler.step(loss) or scheduler.get_last_lr()[0] for loss in (3.0, 2.0, 2.0, 2.0)]
    [8.0, 8.0, 8.0, 4.0]
    """

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0,
        eps=1e-8,
    ):
        self.optimizer = an_optimizer(self, optimizer)
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be at least 0 and below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        for_each_group(self, "min_lr", min_lr)
        self.mode, self.factor, self.patience, self.cooldown = mode, float(factor), patience, cooldown
        self.threshold, self.threshold_mode = float(threshold), threshold_mode
        self.min_lr, self.eps = list(min_lr) if isinstance(min_lr, tuple) else min_lr, float(eps)
        self.best = float("inf") if mode == "min" else float("-inf")
        self.num_bad_epochs = self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = self.present_lrs()

    def step(self, metrics):
        """Take in a measurement (a number, or a tensor of one element), and lower the rates if it is time."""
        current = float(metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self.present_lrs()

    def _is_better(self, current):
        margin = self.threshold if self.mode == "max" else -self.threshold
        bound = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        return current > bound if self.mode == "max" else current < bound

    def _reduce(self):
        min_lrs = for_each_group(self, "min_lr", self.min_lr)
        for group, lr, min_lr in zip(self.optimizer.param_groups, self.present_lrs(), min_lrs):
            lower = max(lr * self.factor, float(min_lr))
            if lr - lower > self.eps:
                group["lr"] = lower
