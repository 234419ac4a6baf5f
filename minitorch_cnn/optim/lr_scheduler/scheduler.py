"""LRScheduler: what all learning rate schedules have in common."""

from ..optimizer import Optimizer


class LRScheduler:
    """The base of all schedules. A subclass has

        get_lr(self)        the rates, a list with one for each group, when self.last_epoch steps were made
        first_lr(self)      the same when the schedule is made; get_lr() unless it says otherwise

    `base_lrs` are the rates at the start, `last_epoch` is the number of steps made, get_last_lr() gives the present rates.

    Args:
        optimizer: whose rates are to be set.
        last_epoch: -1 for a new schedule. Otherwise it goes on after that step, and each group must have "initial_lr"; simpler is
            load_state_dict().
    Raises: TypeError if optimizer is no Optimizer; KeyError for a last_epoch without "initial_lr".
    """

    not_in_state = ("optimizer",)  # attributes that state_dict() leaves out

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer = an_optimizer(self, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f'{type(self).__name__}: param_groups[{i}] has no "initial_lr", which last_epoch={last_epoch} needs; '
                    "make a new scheduler and use its load_state_dict()"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        self.set_lr(self.first_lr())

    def get_lr(self):
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def first_lr(self):
        return self.get_lr()

    def step(self):
        """Go on by one, and set the rate of each group."""
        self.last_epoch += 1
        self.set_lr(self.get_lr())

    def get_last_lr(self):
        """The rates set last, a list with one for each group."""
        return list(self._last_lr)

    def present_lrs(self):
        """The rates that the optimizer has now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def set_lr(self, lrs):
        groups = self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise RuntimeError(
                f"{type(self).__name__}: made for {len(lrs)} parameter groups, but the optimizer has {len(groups)} now; make the "
                "scheduler after the last add_param_group()"
            )
        for group, lr in zip(groups, lrs):
            group["lr"] = float(lr)
        self._last_lr = self.present_lrs()

    def begin(self):
        """Start anew from the rates that the optimizer has now: as the first schedule of a SequentialLR, or when its turn comes."""
        self.last_epoch = 0
        self.set_lr(self.first_lr())

    # state ------------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """Options and position: numbers, words and lists, fit for JSON. The present rates are also in the optimizer's state."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name not in self.not_in_state
        }

    def load_state_dict(self, state_dict):
        """Go on from where `state_dict` was called. Nothing is changed unless all of it fits.

        The optimizer's rates are not set: they come with its own load_state_dict().
        Raises: ValueError listing what doesn't fit.
        """
        problems = self.misfits(state_dict)
        if problems:
            first = f"load_state_dict: the state doesn't fit this {type(self).__name__}; nothing was loaded"
            raise ValueError("\n  ".join([first, *problems]))
        self.take_state(state_dict)

    def misfits(self, state_dict):
        """What doesn't fit, a line each."""
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = [
            f"{kind}: {', '.join(names)}" for kind, names in (("missing", missing), ("unexpected", unexpected)) if names
        ]
        for name in ("base_lrs", "_last_lr"):
            if name in own and name in state_dict and len(own[name]) != len(state_dict[name]):
                problems.append(f"{name} has {len(state_dict[name])} values, expected {len(own[name])}")
        return problems

    def take_state(self, state_dict):
        for name, value in state_dict.items():
            setattr(self, name, list(value) if isinstance(value, list | tuple) else value)


def an_optimizer(scheduler, optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: optimizer must be an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def for_each_group(scheduler, name, value):
    """One value for each group, as a list: `value` itself, if it is a list or tuple of the right length, or repeated."""
    count = len(scheduler.optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{type(scheduler).__name__}: {name} has {len(value)} values, but the optimizer has {count} parameter groups"
        )
    return list(value)
