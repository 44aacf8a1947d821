"""The recipe on a few made-up sentences; its numbers are in its docstring."""

import pytest

from mmkeras.recipes import load


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    (tmp_path / "sst2").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "sst2" / f"{name}.tsv").write_text("a fine film\t1\nnot\ta bad one\t0")
    return tmp_path / "sst2"


def test_reads_its_files_and_makes_its_model(folder):
    recipe = load("sst2")
    sources = recipe.sources()
    assert (
        sources["train"]["words"] == sources["train"]["pairs"] == ["a fine film", "not\ta bad one"]
    )
    assert sources["train"]["sentiment"] == ["positive", "negative"]
    model = recipe.model(sources["train"])
    model.compile(optimizer=recipe.optimizer(2))
    data = model.pipeline(sources["test"], batch_size=2)
    assert 0 <= model.evaluate(data, verbose=0, return_dict=True)["sentiment_accuracy"] <= 1


def test_says_what_is_wrong_with_the_files(folder):
    (folder / "dev.tsv").write_text("a fine film\t1\nno label\n")
    with pytest.raises(ValueError, match=r"dev\.tsv, line 2: 'no label"):
        load("sst2").sources()
    (folder / "dev.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"sst2/dev\.tsv .*SST-2.*MMKERAS_DATA"):
        load("sst2").sources()
