"""`Index` against a search by hand, and classes that are only described."""

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.cli import main
from mmkeras.retrieval import Index, zero_shot
from mmkeras.sources import Joined, Table
from mmkeras.tasks import Contrastive

RNG = np.random.default_rng(0)


def directions(count, dim=16):
    vectors = RNG.normal(size=(count, dim)).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_nearest_are_found():
    vectors, queries = directions(1_000), directions(300)
    index = Index(vectors)
    expected = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :7]
    found = index.search(queries, k=7)
    assert [[hit.row for hit in hits] for hits in found] == expected.tolist()
    best = float(queries[3] @ vectors[expected[3, 0]])
    assert found[3][0].similarity == pytest.approx(best, abs=1e-6)
    assert [hit.row for hit in index.search(queries[3], k=7)] == expected[3].tolist()
    assert len(index.search(queries[0], k=5_000)) == len(index) == 1_000


def test_an_approximate_index_finds_nearly_all(tmp_path):
    pytest.importorskip("faiss")
    vectors, queries = directions(2_000), directions(100)
    exact, near = Index(vectors), Index(vectors, approximate=True)
    pairs = zip(exact.search(queries), near.search(queries))
    share = np.mean([len({h.row for h in a} & {h.row for h in b}) / 10 for a, b in pairs])
    assert share > 0.95
    near.save(tmp_path / "index.npz")
    again = Index.load(tmp_path / "index.npz")
    assert again.search(vectors[5], k=1)[0].row == 5


def test_an_index_is_kept_in_a_file(tmp_path):
    path = tmp_path / "index.npz"
    index = Index(directions(5), ["é.jpg", "b", None, 4, {"row": 5}])
    index.save(path)
    again = Index.load(path)
    assert again.values == index.values and (again.vectors == index.vectors).all()
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"index.npz holds no index, or is damaged"):
        Index.load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match=r"index.npz holds no index"):
        Index.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"array.npy holds no index"):
        Index.load(tmp_path / "array.npy")
    with pytest.raises(FileNotFoundError):
        Index.load(tmp_path / "missing.npz")


def test_wrong_arguments():
    index = Index(directions(5))
    with pytest.raises(ValueError, match="have 16 numbers; embed them with the model"):
        index.search(np.zeros(4))
    with pytest.raises(ValueError, match="finite"):
        index.search(np.full(16, np.nan))
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.search(np.zeros(16), k=0)
    with pytest.raises(ValueError, match="5 vectors and 1 values"):
        Index(directions(5), ["a"])
    with pytest.raises(ValueError, match=r"one of them at least; got shape \(0, 3\)"):
        Index(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"finite float \[N, D\]"):
        Index(np.zeros(3))


COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}


def photo(name):
    noise = RNG.integers(-20, 20, (8, 8, 3))
    return np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype("uint8")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    rows = [{"photo": photo(name), "caption": name} for name in list(COLOURS) * 8]
    made = mm.MultimodalModel(
        {
            "photo": mm.Image(size=32),
            "caption": mm.Text.adapt(Table(rows), "caption", vocabulary_size=60, max_length=4),
        },
        {"space": Contrastive(("photo", "caption"), dim=8)},
        size="tiny",
        dropout=0.0,
    )
    made.compile(keras.optimizers.Adam(0.01))
    data = made.pipeline(Table(rows), batch_size=12, shuffle=True)
    made.fit(data.repeat(40), shuffle=False, verbose=0)
    return made


def test_samples_have_vectors(model):
    one = model.embed({"caption": "red"})
    several = model.embed([{"caption": "red"}, {"photo": photo("red")}])
    assert several["photo"].shape == several["caption"].shape == (2, 8)
    np.testing.assert_allclose(several["caption"][0], one["caption"], atol=1e-5)
    lengths = [np.linalg.norm(several[field], axis=1).tolist() for field in ("photo", "caption")]
    assert model.embed([])["photo"].shape == (0, 8)
    assert lengths == [pytest.approx([0, 1], abs=1e-4), pytest.approx([1, 0], abs=1e-4)]


def test_a_source_is_searched(model):
    rows = [{"photo": photo(name)} for name in ("blue", "red")] + [{"photo": None}]
    index = Index.of(model, Table([*rows, {"photo": photo("green")}]), "photo")
    assert len(index) == 3
    hits = index.search(model.embed({"caption": "green"})["caption"], k=1)
    assert hits[0].value.startswith("sample 4")
    with pytest.raises(ValueError, match=r"vectors of \['photo', 'caption'\], not of 'sound'"):
        Index.of(model, Table(rows), "sound")
    with pytest.raises(ValueError, match=r"no sample of .* has the field 'photo'"):
        Index.of(model, Table([{"photo": None}]), "photo")
    # Rows keep their numbers in a part of a table, and in several that are joined.
    table = Table([{"photo": photo(name)} for name in ("red", "blue", "green", "red", "blue")])
    _, part = table.split(test=0.4)
    right = {part.locate(int(number)) for number, _ in part.rows({"photo": lambda cell: b""})}
    assert {value.split(":")[0] for value in Index.of(model, part, "photo").values} == right
    both = Index.of(model, Joined(part, Table(rows)), "photo")
    assert len(both) == 4 and {value.split(":")[0] for value in both.values} >= right


def test_classes_that_are_described(model):
    classes = {name: [name, f"{name} {name}"] for name in COLOURS}
    samples = [{"photo": photo(name)} for name in COLOURS]
    answers = zero_shot(model, [*samples, {"photo": None}], classes, by="caption")
    assert [answer["label"] for answer in answers] == [*COLOURS, None]
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1.0)
    assert zero_shot(model, [], classes, by="caption") == []
    with pytest.raises(ValueError, match="two or more, each with a list"):
        zero_shot(model, samples, {"a": "red", "b": ["blue"]}, by="caption")
    with pytest.raises(ValueError, match="a description of class 'b' is absent"):
        zero_shot(model, samples, {"a": ["red"], "b": ["blue", ""]}, by="caption")
    with pytest.raises(ValueError, match="which describes the classes"):
        zero_shot(model, [{"caption": "red"}], classes, by="caption")
    other = mm.MultimodalModel({"a": mm.Text.tiny()}, {"b": mm.Regression()}, size="tiny")
    with pytest.raises(ValueError, match="needs one task Contrastive; it has the tasks"):
        other.embed({"a": "x"})


def test_the_command_line(model, tmp_path, capsys):
    from PIL import Image

    model.save(tmp_path / "model.keras")
    for name in COLOURS:
        Image.fromarray(photo(name)).save(tmp_path / f"{name}.png")
    (tmp_path / "photos.csv").write_text("photo\nred.png\ngreen.png\nblue.png\n")
    search = [
        "search",
        str(tmp_path / "model.keras"),
        "caption=green",
        "--field",
        "photo",
        "-k",
        "1",
    ]
    index = ["--index", str(tmp_path / "photos.npz")]
    assert main([*search, *index, "--table", str(tmp_path / "photos.csv")]) == 0
    assert main([*search, *index]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1] and lines[0].endswith("green.png'")
    assert main([*search, *index, "--table", str(tmp_path / "photos.csv")]) == 1
    assert "photos.npz exists" in capsys.readouterr().err
    assert main([*search, *index, "--field", "smell"]) == 1
    assert "not of 'smell'" in capsys.readouterr().err
    assert main(search) == 1
    assert "name the --table" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "model.keras"), "caption=green"]) == 0
    assert capsys.readouterr().out == "space: caption: 8 numbers\n"
