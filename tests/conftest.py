"""What every test may ask for."""

import numpy as np
import pytest

import minitorch_cnn as mt


@pytest.fixture(autouse=True)
def _seeded():
    """Each test starts from the same random state, in whatever order they run."""
    mt.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
