"""The recipe on a few of its pictures; its numbers are in its docstring."""

import mmkeras as mm
from mmkeras.recipes import emoji_captions


def test_writes_whole_words(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path))
    parts = emoji_captions.sources("tiny")
    recipe = emoji_captions.recipe
    model = recipe.model(parts["train"])
    assert model.count_params() < 5e5
    task = model.tasks["caption"]
    captions = [
        text.decode() for text in parts["train"].column("caption", str.encode).as_numpy_iterator()
    ]
    for text in captions:
        pieces = task.tokenizer.tokenize([text]).to_list()[0]
        assert len(pieces) == len(text.split()) <= task.max_tokens
    model.compile(optimizer=recipe.optimizer(48))
    data = model.pipeline(parts["validation"], batch_size=12)
    assert model.evaluate(data, verbose=0, return_dict=True)["caption_perplexity"] > 1
    scores = mm.evaluation.evaluate_scores(model, parts["validation"])["caption"]
    assert set(scores) == {"exact_match", "bleu", "cider"}
