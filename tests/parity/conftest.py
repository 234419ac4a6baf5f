"""PyTorch's random numbers, too, are the same in each run: what compares two samples must not fail by chance."""

import importlib.util

import pytest


@pytest.fixture(autouse=True)
def _torch_seeded():
    if importlib.util.find_spec("torch"):
        import torch

        torch.manual_seed(0)
