"""Training on Keras' JAX backend from `tf.data`; the trained model then runs on TensorFlow."""

from pathlib import Path

import keras
import numpy as np

from mmkeras.fusions import Late
from mmkeras.modalities import Audio, Image, Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import Table
from mmkeras.tasks import Classification, Regression

TRAIN = """
import sys

import keras
import numpy as np

assert keras.backend.backend() == "jax"

from tests_jax import build, table

keras.utils.set_random_seed(0)
model = build()
model.compile(keras.optimizers.Adam(0.01))
data = model.pipeline(table(model), batch_size=4, pad="max", drop_remainder=True)
losses = model.fit(data.repeat(), steps_per_epoch=3, epochs=15, shuffle=False, verbose=0)
losses = losses.history["loss"]
assert np.isfinite(losses).all() and np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), losses
inputs, _, _ = next(iter(data))
outputs = model.predict_on_batch(inputs)
model.save_weights("model.weights.h5")
model.save("model.keras")
np.savez(
    "run.npz",
    **{f"inputs/{name}": tensor for name, tensor in inputs.items()},
    **{f"{task}/{name}": value for task in outputs for name, value in outputs[task].items()},
)
"""


def build() -> MultimodalModel:
    return MultimodalModel(
        fields={"name": Text.tiny(), "photo": Image.tiny(), "voice": Audio.tiny()},
        tasks={"kind": Classification(["cat", "dog"]), "price": Regression(20.0, 5.0)},
        size="tiny",
        fusion=Late(16),
        modality_dropout=0.2,
    )


def table(model: MultimodalModel) -> Table:
    """Four rows; one without a photo, one without a price."""
    rows = [
        {field: part.samples()[i % 3] for field, part in model.fields.items()} for i in range(4)
    ]
    for i, row in enumerate(rows):
        row |= {"kind": ["cat", "dog"][i % 2], "price": 15 + 3 * i}
    rows[1]["photo"] = rows[2]["price"] = None
    return Table(rows)


SCORE = """
import keras
import numpy as np

import mmkeras as mm

assert keras.backend.backend() == "jax"

image = mm.Image(size=16)
model = mm.MultimodalModel(
    {"image": image},
    {"mask": mm.SemanticSegmentation(["a", "b"], size=16)},
    encoders={"image": mm.encoders.VisionPyramid.for_modality(image, "tiny")},
    fusion=mm.fusions.Late(16),
)
rows = [{"image": np.zeros((16, 16, 3), "uint8"), "mask": np.zeros((16, 16), "uint8")}]
scores = mm.evaluation.evaluate_scores(model, mm.sources.Table(rows))
assert 0 <= scores["mask"]["mIoU"] <= 1, scores
"""


def test_answers_are_scored_on_jax(in_backend):
    in_backend("jax", SCORE)


def test_trains_on_jax_and_runs_on_tensorflow(in_backend, tmp_path):
    (tmp_path / "tests_jax.py").write_text(Path(__file__).read_text())
    in_backend("jax", TRAIN)

    run = dict(np.load(tmp_path / "run.npz"))
    inputs = {name[7:]: value for name, value in run.items() if name.startswith("inputs/")}
    loaded, weighted = keras.saving.load_model(tmp_path / "model.keras"), build()
    weighted.load_weights(tmp_path / "model.weights.h5")
    for model in (loaded, weighted):
        for task, outputs in model.predict_on_batch(inputs).items():
            for name, value in outputs.items():
                np.testing.assert_allclose(value, run[f"{task}/{name}"], atol=1e-4, rtol=1e-4)
