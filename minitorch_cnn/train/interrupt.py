"""Ctrl-C without loss: the first one only leaves a note, which the training loop reads between two steps.

Python's own KeyboardInterrupt may strike in the middle of an optimiser's step, with half of the parameters moved.
"""

import signal
import threading


class stop_on_ctrl_c:
    """A `with` block in which Ctrl-C sets `requested`; a second Ctrl-C interrupts at once, as always.

    >>> with stop_on_ctrl_c() as stop:
    ...     for step in range(3):
    ...         if stop.requested:
    ...             break                   # and save a checkpoint
    >>> stop.requested
    False
    """

    def __init__(self):
        self.requested = False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # only there may signals be handled
            self.before = signal.signal(signal.SIGINT, self._note)
        else:
            self.before = None
        return self

    def __exit__(self, *exception):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
