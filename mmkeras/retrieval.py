"""What is like what: collections that are searched, and classes that are only described."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmkeras.contracts import Source
from mmkeras.contracts.arguments import check_count
from mmkeras.model import MultimodalModel

#: Queries that are compared with a whole collection at once.
_AT_ONCE = 256
#: Neighbours of each vector in the graph of an approximate index, and candidates that are kept in
#: view while it is built and searched.
_NEIGHBOURS, _IN_VIEW = 32, 128


@dataclasses.dataclass(frozen=True)
class Hit:
    """One thing that was found.

    Attributes:
        row: its place in the collection.
        similarity: the cosine between it and the query.
        value: what it is, for a person.
    """

    row: int
    similarity: float
    value: Any


class Index:
    """A collection of vectors that is searched for those nearest to a query.

    Args:
        vectors: float [N, D], of length 1, such as `MultimodalModel.embed` gives.
        values: what each stands for, as JSON has it, such as a path; None: its number.
        approximate: walk along a graph of neighbours (Malkov & Yashunin 2020, "Efficient and Robust
            Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs",
            through `faiss`) instead of comparing with all of them: worth it from some hundred
            thousand vectors on, and may miss some.

    Raises:
        ValueError: the vectors are no finite table, or there are more or fewer values.
        ImportError: faiss is not installed; the message names the extra.

    Example:

    >>> index = Index(np.eye(3, dtype="float32"), ["a.jpg", "b.jpg", "c.jpg"])
    >>> [hit.value for hit in index.search(np.array([0.6, 0.8, 0.0]), k=2)]
    ['b.jpg', 'a.jpg']
    """

    def __init__(
        self, vectors: np.ndarray, values: Sequence[Any] | None = None, approximate: bool = False
    ):
        self.vectors = np.ascontiguousarray(vectors, "float32")
        if self.vectors.ndim != 2 or not self.vectors.size or not np.isfinite(self.vectors).all():
            raise ValueError(
                "vectors must be finite float [N, D], one of them at least; got shape "
                f"{self.vectors.shape}."
            )
        self.values = list(range(len(self.vectors)) if values is None else values)
        if len(self.values) != len(self.vectors):
            raise ValueError(
                f"there are {len(self.vectors)} vectors and {len(self.values)} values."
            )
        self._graph = _graph(self.vectors) if approximate else None

    def __len__(self) -> int:
        """How many vectors there are."""
        return len(self.vectors)

    @classmethod
    def of(
        cls,
        model: MultimodalModel,
        source: Source,
        field: str,
        batch_size: int = 32,
        approximate: bool = False,
    ) -> Self:
        """The vectors of one field of all samples, those without it left out.

        Args:
            model: one with a task `Contrastive`.
            source: the collection; a value is the place of a row and what stands in its cell.
            field: what is looked for, such as a photo.
            batch_size: samples in one forward pass.
            approximate: see `Index`.

        Raises:
            ValueError: the model has no such task or field, or no sample has the field.
            tf.errors.InvalidArgumentError: a sample is bad; the message names it.
        """
        task, modality = model.compared(field), model.fields[field]
        data = model.pipeline(source, labels=False, only=[field], batch_size=batch_size)
        parts = [model.predict_on_batch(inputs)[task][field] for inputs in data]
        vectors = np.concatenate(parts)
        there = np.flatnonzero(vectors.any(axis=1)).tolist()
        if not there:
            raise ValueError(f"no sample of {source!r} has the field {field!r}.")
        # Rows keep their own numbers in a part of a table.
        rows = source.rows({field: modality.encode}, [field] if modality.is_file else [])
        numbers = [int(number) for number, _ in rows]
        values = [f"{source.locate(numbers[i])}: {source.cell(numbers[i], field)}" for i in there]
        return cls(vectors[there], values, approximate)

    def search(self, queries: np.ndarray, k: int = 10) -> list[Any]:
        """The nearest of the collection.

        Args:
            queries: float [D], or [Q, D].
            k: how many are wanted; of a smaller collection, all.

        Returns:
            A list of `Hit`, the nearest first; of several queries, a list of such lists.

        Raises:
            ValueError: the queries are of another width or not finite, or `k` is below 1.
        """
        queries = np.asarray(queries, "float32")
        one, queries = queries.ndim == 1, np.atleast_2d(queries)
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"queries have the shape {queries.shape}, but the vectors of this index have "
                f"{self.vectors.shape[1]} numbers; embed them with the model that made it."
            )
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite.")
        check_count("k", k)
        found = []
        for begin in range(0, len(queries), _AT_ONCE):
            found += self._nearest(queries[begin : begin + _AT_ONCE], min(k, len(self)))
        return found[0] if one else found

    def _nearest(self, queries: np.ndarray, k: int) -> list[list[Hit]]:
        if self._graph is not None:
            similarities, rows = self._graph.search(np.ascontiguousarray(queries), k)
        else:
            everything = queries @ self.vectors.T
            rows = np.argpartition(-everything, k - 1, axis=1)[:, :k]
            similarities = np.take_along_axis(everything, rows, axis=1)
            order = np.lexsort((rows, -similarities), axis=1)
            rows = np.take_along_axis(rows, order, axis=1)
            similarities = np.take_along_axis(similarities, order, axis=1)
        # The graph says -1 where it found no more.
        return [
            [Hit(row, alike, self.values[row]) for row, alike in zip(*pair) if row >= 0]
            for pair in zip(rows.tolist(), similarities.tolist())
        ]

    def save(self, path: str | Path) -> None:
        """Writes it into one file, a `.npz`.

        Raises:
            TypeError: a value is nothing that JSON has.
        """
        values = np.frombuffer(json.dumps(self.values).encode(), "uint8")
        with Path(path).open("wb") as file:
            np.savez(file, vectors=self.vectors, values=values, graph=self._graph is not None)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The index that `save` wrote; the graph of an approximate one is made anew.

        Raises:
            ValueError: the file holds none.
            FileNotFoundError: there is no such file.
        """
        try:
            with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                values = json.loads(file["values"].tobytes())
                return cls(file["vectors"], values, bool(file["graph"]))
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no index, or is damaged: {error}") from error


def _graph(vectors: np.ndarray) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            'an approximate index needs faiss; install it with pip install "mmkeras[search]".'
        ) from error
    graph = faiss.IndexHNSWFlat(vectors.shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = graph.hnsw.efSearch = _IN_VIEW
    graph.add(vectors)
    return graph


def zero_shot(
    model: MultimodalModel,
    samples: Sequence[Mapping[str, Any]],
    classes: Mapping[str, Sequence[Any]],
    by: str,
    batch_size: int = 32,
) -> list[dict[str, Any]]:
    """To which class each sample is nearest, of classes that no training named.

    Source: Radford et al. 2021, section 3.1: a class is the mean of the vectors of what describes
    it, and probabilities are a softmax over the classes at the scale that was learned.

    Args:
        model: one with a task `Contrastive`.
        samples: `{field: value}`, as `MultimodalModel.answer` takes them; of several fields, the
            mean of the vectors counts.
        classes: `{class: values of the field that describes}`, such as
            `{"cat": ["a cat", "a photo of a cat"]}`.
        by: the field that describes, such as a caption; it is not in the samples.
        batch_size: samples in one forward pass.

    Returns:
        For each sample its `label` and the `probabilities` of all classes; None for the label of a
        sample without any field.

    Raises:
        ValueError: there are fewer than two classes, one without a description or with an absent
            one, a sample has the field that describes, or the model has no such task.
    """
    if len(classes) < 2 or any(isinstance(each, str) or not each for each in classes.values()):
        raise ValueError(
            "classes must be two or more, each with a list of descriptions, such as "
            "{'cat': ['a cat'], 'dog': ['a dog']}; got "
            f"{dict(classes)!r:.200}."
        )
    task = model.compared(by)
    if any(sample.get(by) is not None for sample in samples):
        raise ValueError(f"a sample has the field {by!r}, which describes the classes.")
    described = []
    for name, values in classes.items():
        vectors = model.embed([{by: value} for value in values], batch_size)[by]
        if not vectors.any(axis=1).all():
            raise ValueError(f"a description of class {name!r} is absent, in {list(values)!r:.80}.")
        described.append(vectors.mean(axis=0))
    described = np.stack(described)
    described /= np.maximum(np.linalg.norm(described, axis=1, keepdims=True), 1e-6)
    embedded = model.embed(samples, batch_size) if samples else {}
    vectors = sum(vectors for field, vectors in embedded.items() if field != by)
    answers = []
    for vector in np.asarray(vectors) if samples else ():
        length = np.linalg.norm(vector)
        logits = float(model.get_layer(task).scale) * described @ vector / max(length, 1e-6)
        shares = np.exp(logits - logits.max())
        shares = (shares / shares.sum()).tolist()
        label = list(classes)[int(logits.argmax())] if length else None
        answers.append({"label": label, "probabilities": dict(zip(classes, shares))})
    return answers
