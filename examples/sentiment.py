"""Sentiment: a few labels and many texts, pretrained on the texts, then taught by the labels.

    python examples/sentiment.py

Made-up reviews of which few have a label: a masked language model learns from all of them, and its
encoder is handed to a classifier, beside one that starts from nothing. Then the exported model is
asked with raw strings in plain TensorFlow. Takes about two minutes.
"""

import random
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import mmkeras as mm

PRAISE = "wonderful moving clever funny rich brave honest warm fresh gripping"
BLAME = "tedious clumsy shallow dull lazy bleak noisy stale pointless dreary"
THINGS = "plot cast score ending story film dialogue camera pace humour"


def make_reviews(count: int, seed: int) -> list[dict[str, str]]:
    """Reviews whose adjectives agree; "not" turns one around."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        good = draw.random() < 0.5
        parts = []
        for thing in draw.sample(THINGS.split(), 3):
            turned = draw.random() < 0.3
            word = draw.choice((PRAISE if good != turned else BLAME).split())
            parts.append(f"the {thing} is {'not ' if turned else ''}{word}")
        rows.append({"review": ", ".join(parts), "mood": "positive" if good else "negative"})
    return rows


def train(model: mm.MultimodalModel, source: mm.sources.Table, epochs: int) -> None:
    """Some epochs of `fit`."""
    model.compile(optimizer=keras.optimizers.AdamW(2e-3))
    data = model.pipeline(source, batch_size=32, shuffle=True, augment=True, cache=True)
    model.fit(data, epochs=epochs, shuffle=False, verbose=0)


def main() -> None:
    """The whole way."""
    keras.utils.set_random_seed(0)
    folder = Path(tempfile.mkdtemp())
    texts = mm.sources.Table(make_reviews(2_000, seed=0))
    few = mm.sources.Table(make_reviews(64, seed=1))
    test = mm.sources.Table(make_reviews(500, seed=2))
    review = mm.Text.adapt(texts, "review", vocabulary_size=300, max_length=32)
    moods = mm.Classification(["negative", "positive"], measures=["accuracy", "f1", "mcc"])

    words = mm.MaskedLanguageModel.of(review, field="review", share=0.2)
    pretrained = mm.MultimodalModel({"review": review}, {"words": words}, size="tiny")
    train(pretrained, texts, epochs=15)

    for name, encoders in (("from nothing", {}), ("pretrained", pretrained.encoders)):
        model = mm.MultimodalModel(
            {"review": review}, {"mood": moods}, size="tiny", encoders=encoders
        )
        train(model, few, epochs=40)
        scores = model.evaluate(model.pipeline(test), verbose=0, return_dict=True)
        print(f"{name:12}", {key: round(float(value), 3) for key, value in scores.items()})

    text = "the plot is not dull, the cast is warm"
    print(model.answer({"review": text})["mood"])
    print(mm.export.saved_model(model, folder / "mood" / "1"))
    served = tf.saved_model.load(str(folder / "mood" / "1")).signatures["serving_default"]
    print("served:", served(review=tf.constant([text]))["mood_label"].numpy())


if __name__ == "__main__":
    main()
