"""Texts that all tokenizers are tried with."""

import pytest

from mmkeras.testing.texts import many_scripts


@pytest.fixture(scope="session")
def lines():
    """Lines that no tokenizer learned from."""
    return [*many_scripts(3_000, seed=1), "", " ", "\t\n", "\x00", "a" * 5_000, "猫" * 2_000]


@pytest.fixture(scope="session")
def training_lines():
    """Lines to learn from."""
    return many_scripts(2_000, seed=2)
