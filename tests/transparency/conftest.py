"""A model that has learned that one word decides, and one patch of a picture."""

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.encoders import TextTransformer, VisionPyramid, ViT
from mmkeras.fusions import Concat, Late
from mmkeras.layers import Size
from mmkeras.sources import Table
from mmkeras.tokenizers import WordPiece

SIZE = Size(dim=16, depth=2, num_heads=2, mlp_dim=32)
WORDS = ["cat", "dog", "tree", "house", "sun", "moon"]


def rows(seed, count):
    """The word `good` or `bad` among others, and a bright or a dark patch among grey ones."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        up = random.random() < 0.5
        words = [*random.choice(WORDS, 4), "good" if up else "bad"]
        random.shuffle(words)
        photo = random.integers(100, 150, (16, 16, 3))
        row, column = place = tuple(int(i) for i in random.integers(0, 2, 2))
        photo[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 100 if up else -100
        made.append(
            {
                "text": " ".join(words),
                "photo": photo.astype("uint8"),
                "mood": "up" if up else "down",
                "place": place,
            }
        )
    return made


def trained(fields, fusion, looks=ViT):
    # Fixtures of a session begin before the seed of a test.
    keras.utils.set_random_seed(0)
    model = mm.MultimodalModel(
        {field: FIELDS[field] for field in fields},
        {"mood": mm.Classification(["up", "down"], dropout=0.0)},
        size="tiny",
        encoders={
            field: kind.for_modality(FIELDS[field], SIZE, dropout=0.0)
            for field, kind in (("text", TextTransformer), ("photo", looks))
            if field in fields
        },
        fusion=fusion,
    )
    model.compile("adam")
    model.optimizer.learning_rate = 3e-3
    told = [{name: row[name] for name in (*fields, "mood")} for row in rows(0, 192)]
    data = model.pipeline(Table(told), batch_size=16)
    model.fit(data, epochs=12, verbose=0, shuffle=False)
    return model


VOCABULARY = WordPiece.learn([" ".join([*WORDS, "good", "bad"])] * 3, 60)
FIELDS = {
    "text": mm.Text(VOCABULARY, max_length=10, token_dropout=0.0),
    "photo": mm.Image(size=16),
}


@pytest.fixture(scope="session")
def reader():
    return trained(["text"], Late(16))


@pytest.fixture(scope="session")
def looker():
    return trained(["photo"], Late(16))


@pytest.fixture(scope="session")
def pyramid():
    return trained(["photo"], Late(16), VisionPyramid)


@pytest.fixture(scope="session")
def both():
    return trained(["text", "photo"], Concat(SIZE.stack()))


@pytest.fixture(scope="session")
def held_out():
    return rows(1, 24)
