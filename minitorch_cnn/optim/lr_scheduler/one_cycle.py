"""The one-cycle schedule (Smith, Topin, 1708.07120): the rate rises to a high maximum and falls to almost nothing, within one
training run; momentum falls and rises the other way.

    initial = max_lr / div_factor;  min = initial / final_div_factor
    up:     initial -> max          over the first pct_start of the steps
    down:   max -> min              over the rest

three_phase, as in the paper: down to the initial rate in as many steps as up, then to the minimum over what is left. A phase from
`start` to `end` is, with pct from 0 to 1 within it,

    cos:    end + (start - end) * (1 + cos(pi * pct)) / 2
    linear: start + (end - start) * pct
"""

import math

import numpy as np

from .scheduler import LRScheduler, an_optimizer, for_each_group


class OneCycleLR(LRScheduler):
    """One cycle over the whole training; step() after each batch.

    Args:
        optimizer: see LRScheduler. Its own lr and momentum are not used.
        max_lr: the highest rate, one number or a list with one for each group.
        total_steps: the number of steps; or epochs and steps_per_epoch, whose product it is.
        pct_start: the part of the steps in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move momentum (beta1 of Adam) from max_momentum to base_momentum and back while the rate rises and falls.
        base_momentum, max_momentum: its lowest and highest, numbers or lists.
        div_factor: max_lr / the first rate.
        final_div_factor: the first rate / the last one.
        three_phase: fall in two phases.
        last_epoch: see LRScheduler.
    Raises: ValueError for numbers out of range, for an optimizer without momentum if cycle_momentum, and from step() beyond
        total_steps.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=0.1, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=8.0, total_steps=8, pct_start=0.375, div_factor=4, anneal_strategy="linear")
    >>> scheduler.get_last_lr() + [scheduler.step() or round(scheduler.get_last_lr()[0], 2) for _ in range(7)]
    [2.0, 5.0, 8.0, 6.4, 4.8, 3.2, 1.6, 0.0]
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        last_epoch=-1,
    ):
        self.optimizer = an_optimizer(self, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; give cycle_momentum=False"
            )
        self.pct_start, self.three_phase = float(pct_start), bool(three_phase)
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, bool(cycle_momentum)
        max_lrs = for_each_group(self, "max_lr", max_lr)
        highest = for_each_group(self, "max_momentum", max_momentum)
        lowest = for_each_group(self, "base_momentum", base_momentum)
        if last_epoch == -1:
            for group, lr, high, low in zip(optimizer.param_groups, max_lrs, highest, lowest):
                group["max_lr"] = float(lr)
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if self.cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = float(high), float(low)
                    _set_momentum(group, group["max_momentum"])
        super().__init__(optimizer, last_epoch)

    def step(self):
        if self.last_epoch >= self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch + 1} of a schedule of {self.total_steps} steps; give total_steps (or epochs "
                "and steps_per_epoch) for the whole training, and call step() once a batch"
            )
        super().step()

    def phases(self):
        """(last step, "rate at its start", "rate at its end", "momentum at its start", "... at its end") of each phase."""
        up = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
        top = self.pct_start * self.total_steps - 1
        end = self.total_steps - 1
        if not self.three_phase:
            return [(top, *up), (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        return [
            (top, *up),
            (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]

    def get_lr(self):
        start, phases = 0, self.phases()
        while self.last_epoch > phases[0][0] and len(phases) > 1:
            start = phases.pop(0)[0]
        end, lr_from, lr_to, momentum_from, momentum_to = phases[0]
        pct = (self.last_epoch - start) / (end - start) if end > start else 1.0  # a phase of no length is over
        anneal = _cos if self.anneal_strategy == "cos" else _linear
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                _set_momentum(group, anneal(group[momentum_from], group[momentum_to], pct))
        return [anneal(group[lr_from], group[lr_to], pct) for group in self.optimizer.param_groups]


def _total_steps(total_steps, epochs, steps_per_epoch):
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError(
            "OneCycleLR: give total_steps, or epochs and steps_per_epoch; "
            f"got total_steps={total_steps}, epochs={epochs}, steps_per_epoch={steps_per_epoch}"
        )
    given = (
        {"epochs": epochs, "steps_per_epoch": steps_per_epoch} if total_steps is None else {"total_steps": total_steps}
    )
    for name, value in given.items():
        if not isinstance(value, int | np.integer) or value <= 0:
            raise ValueError(f"OneCycleLR: {name} must be an integer from 1 on, got {value!r}")
    return int(math.prod(given.values()))


def _set_momentum(group, value):
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _cos(start, end, pct):
    return end + (start - end) * (1 + math.cos(math.pi * pct)) / 2


def _linear(start, end, pct):
    return start + (end - start) * pct
