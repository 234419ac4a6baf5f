"""SequentialLR: one schedule after another, such as a linear warm-up and then a cosine (Goyal et al., 1706.02677, section 2.2)."""

from bisect import bisect_right

from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, an_optimizer


class SequentialLR(LRScheduler):
    """Schedules one after the other. The next one starts, at its own step 0, when `last_epoch` reaches its milestone.

    Args:
        optimizer: that of all the schedulers.
        schedulers: at least one.
        milestones: the step at which each but the first starts, in order.
    Raises: ValueError for no schedulers, one of another optimizer, a ReduceLROnPlateau among them, or milestones that aren't one
        fewer or not in order; TypeError for what is no scheduler.

    >>> from minitorch_cnn import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0])], lr=8.0)
    >>> warm_up = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> decay = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[3])
    >>> scheduler.get_last_lr() + [scheduler.step() or scheduler.get_last_lr()[0] for _ in range(5)]
    [2.0, 4.0, 6.0, 8.0, 4.0, 2.0]
    """

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        self.optimizer = an_optimizer(self, optimizer)
        _check(optimizer, schedulers, milestones)
        if last_epoch != -1:
            raise ValueError(
                f"SequentialLR: to go on after step {last_epoch}, use load_state_dict() of a new SequentialLR"
            )
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        # each of the schedulers has set its first rate there
        for group, lr in zip(optimizer.param_groups, self.base_lrs):
            group["lr"] = lr
        self.begin()

    def begin(self):
        self.last_epoch = 0
        self._due().begin()
        self._last_lr = self.present_lrs()

    def step(self):
        """Go on by one, and set the rate of each group."""
        before, self.last_epoch = self._due(), self.last_epoch + 1
        due = self._due()
        if due is before:
            due.step()
        else:
            for group, lr in zip(self.optimizer.param_groups, due.base_lrs):
                group["lr"] = lr
            due.begin()
        self._last_lr = self.present_lrs()

    def _due(self):
        """The scheduler whose turn it is."""
        return self._schedulers[bisect_right(self._milestones, self.last_epoch)]

    def state_dict(self):
        """Position, and the state of each scheduler, in "_schedulers"."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def misfits(self, state_dict):
        problems = super().misfits(state_dict)
        saved = state_dict.get("_schedulers", [])
        if len(saved) != len(self._schedulers):
            return [*problems, f"_schedulers: {len(saved)} in the state, {len(self._schedulers)} here"]
        for i, (scheduler, state) in enumerate(zip(self._schedulers, saved)):
            problems += [f"_schedulers[{i}], {type(scheduler).__name__}: {text}" for text in scheduler.misfits(state)]
        return problems

    def take_state(self, state_dict):
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.take_state(state)
        super().take_state({name: value for name, value in state_dict.items() if name != "_schedulers"})


def _check(optimizer, schedulers, milestones):
    if not schedulers:
        raise ValueError("SequentialLR: the list of schedulers is empty")
    for i, scheduler in enumerate(schedulers):
        kind = type(scheduler).__name__
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"SequentialLR: schedulers[{i}] must be a scheduler, got {kind}")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"SequentialLR: schedulers[{i}] is a ReduceLROnPlateau, whose step() needs a measurement")
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"SequentialLR: schedulers[{i}], a {kind}, was made for another optimizer")
    if len(milestones) != len(schedulers) - 1:
        raise ValueError(
            f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} milestones, got {len(milestones)}"
        )
    if list(milestones) != sorted(milestones):
        raise ValueError(f"SequentialLR: milestones must be in order, got {list(milestones)}")
