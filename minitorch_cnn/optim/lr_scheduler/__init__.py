"""Learning rate schedules: what "lr" of each parameter group is after so many steps of the schedule.

    scheduler = StepLR(optimizer, step_size=30)
    for epoch in range(90):
        ...                             # train: optimizer.step() for each batch
        scheduler.step()                # after the epoch; OneCycleLR after each batch

Names, arguments and formulas are those of torch.optim.lr_scheduler.
"""

from .scheduler import LRScheduler
from .formulas import CosineAnnealingLR, LambdaLR, LinearLR, MultiStepLR, StepLR
from .one_cycle import OneCycleLR
from .plateau import ReduceLROnPlateau
from .sequential import SequentialLR
