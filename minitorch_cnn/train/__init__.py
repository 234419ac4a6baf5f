"""What a training program needs around its loop: checkpoints, a clean stop on Ctrl-C, and a report of how it went.

The loop itself is not here: it is ten lines, and each program has it in sight (examples/lenet_mnist.py).
"""

from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from .error import TopKError, top_k_error
from .interrupt import stop_on_ctrl_c
from .report import confusion_matrix, confusion_table, save_curves, save_history, save_mistakes
from .totals import Totals
