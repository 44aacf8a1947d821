"""Named entities: from marked sentences to a served model that points into raw strings.

    python examples/ner.py

Learns to find countries, animals, dishes and so on in sentences of the embedded dataset, tells how
well it does on names that no training sentence holds, and asks the exported model in plain
TensorFlow. Takes a few minutes. For sentences of your own, in CoNLL's columns:

    train = mm.sources.CoNLL("train.conll")       # columns: text, entities
    task = mm.TokenClassification.adapt(train, "entities", field="text")
"""

import tempfile
from pathlib import Path

import tensorflow as tf

import mmkeras as mm
from mmkeras.recipes.emoji_sentences import recipe


def main() -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    run = mm.training.train(recipe, folder / "run", verbose=2)
    model, test = run.model, run.sources["test"]

    model.evaluate(model.pipeline(test, batch_size=128), verbose=0)
    report = model.measures["entities_f1"].report()
    print(f"{'':10} precision  recall     f1  entities")
    for name, row in {**report["types"], "all": report["micro"]}.items():
        numbers = f"{row['precision']:9.3f} {row['recall']:7.3f} {row['f1']:6.3f}"
        print(f"{name:10} {numbers} {row['support']:9.0f}")

    text = "After landing in Côte d’Ivoire, Zoë ate a green salad."
    for found in model.answer({"text": text})["entities"]["entities"]:
        print(f"{found['type']:10} {found['start']:3}-{found['end']:<3} {found['text']}")

    print(mm.export.saved_model(model, folder / "names" / "1", samples=[{"text": text}]))
    served = tf.saved_model.load(str(folder / "names" / "1")).signatures["serving_default"]
    answer = served(text=tf.constant([text]))
    for part in ("text", "type", "start", "end"):
        print("served:", part, answer[f"entities_{part}"].numpy()[0].tolist())


if __name__ == "__main__":
    main()
