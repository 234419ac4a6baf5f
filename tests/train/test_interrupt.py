"""Ctrl-C: noted the first time, at once the second, and as before afterwards."""

import os
import signal
import threading

import pytest

from minitorch_cnn.train import stop_on_ctrl_c


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_is_noted_and_the_second_interrupts():
    with pytest.raises(KeyboardInterrupt), stop_on_ctrl_c() as stop:
        assert not stop.requested
        press_ctrl_c()
        assert stop.requested
        press_ctrl_c()


def test_outside_the_block_ctrl_c_is_python_s_own():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_ctrl_c():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_it_does_nothing_and_does_not_fail():
    noted = []

    def work():
        with stop_on_ctrl_c() as stop:
            noted.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert noted == [False]
