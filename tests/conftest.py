"""What every test relies on: the same random numbers in every run, and no policy left behind."""

import keras
import pytest


@pytest.fixture(autouse=True)
def fresh_start():
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
