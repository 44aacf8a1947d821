"""Whatever the folders export keeps its contract; a new file is tested by existing."""

import pytest

from mmkeras import encoders, fusions, modalities, tasks
from mmkeras.testing import check_encoder, check_fusion, check_modality, check_task


def exported(package):
    return [getattr(package, name) for name in package.__all__]


def readers():
    """Every encoder with every modality that it reads."""
    return [
        pytest.param(encoder, modality, id=f"{encoder.__name__}-{modality.__name__}")
        for encoder in exported(encoders)
        for modality in exported(modalities)
        if encoder.reads == frozenset(modality.tiny().specs())
    ]


@pytest.mark.parametrize("modality", exported(modalities))
def test_modality(modality):
    check_modality(modality.tiny())


@pytest.mark.parametrize(("encoder", "modality"), readers())
def test_encoder(encoder, modality):
    check_encoder(encoder, modality.tiny())


@pytest.mark.parametrize("fusion", exported(fusions))
def test_fusion(fusion):
    check_fusion(fusion)


@pytest.mark.parametrize("task", exported(tasks))
def test_task(task):
    check_task(task.tiny())


def test_every_modality_has_an_encoder_and_every_encoder_a_modality():
    read = {tuple(param.values) for param in readers()}
    assert {encoder for encoder, _ in read} == set(exported(encoders))
    assert {modality for _, modality in read} == set(exported(modalities))
