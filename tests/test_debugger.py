"""One training step can be followed in a debugger: no frame outside the package, and few of them."""

import os
import sys

import numpy as np

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import models
from minitorch_cnn.backend.cpu import conv_im2col

PACKAGE = os.path.dirname(mt.__file__)


def stacks_at_im2col(run):
    """For each call of im2col in run(): (file, function) of the frames from run down to it."""
    stacks = []

    def trace(frame, event, argument):
        if frame.f_code is conv_im2col.im2col.__code__:
            stack, f = [], frame
            while f.f_code is not run.__code__:
                stack.append((f.f_code.co_filename, f.f_code.co_name))
                f = f.f_back
            stacks.append(stack[::-1])

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return stacks


def test_a_step_leads_to_the_copies_of_im2col_through_this_package_alone():
    model = models.lenet5()
    images, labels = mt.Tensor(np.zeros((2, 1, 28, 28), np.float32)), np.array([1, 2])
    threads = mt.get_num_threads()
    mt.set_num_threads(1)
    try:
        with mt.conv_algorithm("im2col"):
            losses = []

            def forward():
                losses.append(F.cross_entropy(model(images), labels))

            def backward():
                losses[0].backward()

            down, back = stacks_at_im2col(forward), stacks_at_im2col(backward)
    finally:
        mt.set_num_threads(threads)
    assert len(down) == len(back) == 2  # once for each of the two convolutions
    for stack in down + back:
        assert all(file.startswith(PACKAGE + os.sep) for file, _ in stack)
        assert len(stack) <= 13
        assert stack[-1][1] == "im2col"
    assert back[0][0][1] == "backward"
