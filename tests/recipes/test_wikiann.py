"""The recipe on a few made-up sentences; its numbers are in its docstring."""

import pytest

from mmkeras.recipes import load

SENTENCES = (
    "en:Anna\tB-PER\nen:Berg\tI-PER\n\nen:in\tO\nen:Oslo\tB-LOC\nen:,\tO\nen:Statoil\tB-ORG\n\n"
)


def test_without_the_files_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"wikiann_en/train .*WikiANN.*MMKERAS_DATA"):
        load("wikiann").sources()


def test_reads_its_files_and_makes_its_model(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    (tmp_path / "wikiann_en").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "wikiann_en" / name).write_text(SENTENCES * 4)
    recipe = load("wikiann")
    sources = recipe.sources()
    assert sources["train"]["text"][:2] == ["Anna Berg", "in Oslo , Statoil"]
    model = recipe.model(sources["train"])
    assert model.tasks["entities"].types == ("LOC", "ORG", "PER")
    model.compile(optimizer=recipe.optimizer(8))
    data = model.pipeline(sources["test"], batch_size=8)
    assert 0 <= model.evaluate(data, verbose=0, return_dict=True)["entities_f1"] <= 1
