"""`litert_steps`: a text piece by piece, for a device that shows it as it comes."""

import dataclasses
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.task import task_of
from mmkeras.decoding import Greedy
from mmkeras.export.conversion import checked_path, converted
from mmkeras.export.model_card import carded, check_about
from mmkeras.export.precision import in_full_precision
from mmkeras.export.signatures import raw_samples, tensor_specs
from mmkeras.export.verify import Verification, verify
from mmkeras.files import drafted
from mmkeras.model import MultimodalModel
from mmkeras.tasks.text_generation import TextGeneration, TextGenerationHead

ENCODE, STEP = "encode", "step"
#: What is not in the graph, as JSON, in a ZIP archive behind the graph, as TensorFlow Lite's own
#: metadata have it: whoever reads the graph does not see it.
FACTS = "text.json"


def litert_steps(
    model: MultimodalModel,
    path: str | Path,
    task: str | None = None,
    samples: Any = None,
    overwrite: bool = False,
    tolerance: float = 1e-4,
    report: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
) -> Verification:
    """Writes a LiteRT (TFLite) file that makes one piece of a text at a time, and tries it.

    Where `litert` holds the whole loop of a `TextGeneration` and gives a text when it is whole,
    this file gives the logits of the next piece, and whoever calls it chooses. It has two
    signatures of static shapes and of built-in operations alone:

    - `encode` takes the tensors of one sample, as the signature of `litert` does, and gives the
      state before the first piece: `position`, keys and values of what the decoder looks at,
      `source_mask`, and room for those of the pieces.
    - `step` takes `token_ids`, int32 [1], the piece that was chosen last, and the state; it gives
      `logits`, float32 [1, K], of the next, and what of the state has changed, by the same names.

    What steers the task (`repetition_penalty`, `stop`, classes that are never written) is part of
    `step`. Before the first piece comes the class that ends a text; that, the longest text, and
    how pieces are spelled stand in `text.json`, in a ZIP archive at the end of the file.

    `mmkeras/export/runtimes/litert_steps.py`, which needs ai-edge-litert and NumPy alone and may
    be copied to a device, reads such files; its `Writer` is what tries this one: greedily, beside
    greedy search in the model.

    Args:
        model: the model.
        path: `.../<name>.tflite`.
        task: the name of its task; None: the one `TextGeneration` that it has.
        samples: raw samples for the comparison; the modalities' own if None.
        overwrite: replaces what stands at `path`.
        tolerance: the largest difference allowed of a text's log-probability; its pieces must be
            the same.
        report: what was measured of the model, for its card; see `model_card`.
        about: what only people know of it, for its card.

    Returns:
        What was measured; its latency is that of one piece.

    Raises:
        ValueError: the path does not end in `.tflite`, or there is no such task, or several.
        FileExistsError: something stands at `path`, and `overwrite` is False.
        ExportError: the model does not convert to built-in operations, does not run or writes
            other texts.
        ImportError: the `export` extra is not installed.
    """
    path = checked_path(path, overwrite)
    name = task_of(TextGeneration, model.tasks, task)
    check_about(about)
    model = in_full_precision(model)
    head: Any = model.get_layer(name)
    tensors = model.fields.preprocess_batch(
        {field: tf.constant(values) for field, values in raw_samples(model, samples).items()}
    )
    with drafted(path) as draft:
        draft.write_bytes(converted(model, _signatures(model, head, tensors)))
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(FACTS, json.dumps(_facts(model.tasks[name], head)))
        seen = verify(
            draft,
            "litert_steps",
            inputs={ENCODE: {key: tensor.numpy() for key, tensor in tensors.items()}},
            expected={ENCODE: _written(model, model.tasks[name], head, tensors)},
            tolerance=tolerance,
        )
        seen = dataclasses.replace(seen, signatures=(ENCODE, STEP))
        return carded(model, seen, path, report, about)


def _signatures(
    model: MultimodalModel, head: TextGenerationHead, tensors: Mapping[str, tf.Tensor]
) -> dict[str, Callable[..., Any]]:
    """`encode` and `step`. The tensors, of any samples, show what a state is made of."""
    # The step of any source is the same: what it needs of its source is in the state.
    advance, shown = head.begin(head.source(model.fused({n: t[:1] for n, t in tensors.items()})))
    names = list(_names(shown))
    specs = {
        name: tf.TensorSpec(leaf.shape, leaf.dtype, name=name)
        for name, leaf in zip(names, tf.nest.flatten(shown), strict=True)
    }

    @tf.function(input_signature=[tensor_specs(model, batch_size=1)])
    def encode(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        _, state = head.begin(head.source(model.fused(inputs)))
        return dict(zip(names, tf.nest.flatten(state), strict=True))

    @tf.function(
        input_signature=[{"token_ids": tf.TensorSpec((1,), "int32", name="token_ids"), **specs}]
    )
    def step(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        state = tf.nest.pack_sequence_as(shown, [inputs[name] for name in names])
        logits, state = advance(inputs["token_ids"], state)
        after = dict(zip(names, tf.nest.flatten(state), strict=True))
        return {"logits": logits, **{n: t for n, t in after.items() if t is not inputs[n]}}

    return {ENCODE: encode, STEP: step}


def _names(state: Any, path: Sequence[str] = ()) -> Iterator[str]:
    """What the tensors of a state are called, in the order in which `tf.nest` has them."""
    if not isinstance(state, tuple):
        yield "_".join(path)
    elif hasattr(state, "_asdict"):
        for name, part in state._asdict().items():
            yield from _names(part, (*path, name))
    else:
        for number, part in enumerate(state):
            yield from _names(part, (*path, str(number)))


def _facts(task: TextGeneration, head: TextGenerationHead) -> dict[str, Any]:
    """What a caller has to know beside the graph; bytes stand as characters of Latin-1."""
    spelled = task.tokenizer.spellings
    texts = [b""] * task.tokenizer.shift + list(spelled) + [b""]
    return {
        "end": head.end,
        "max_tokens": head.max_length,
        "pieces": [text.decode("latin-1") for text in texts],
        "stop": task.stop_texts,
    }


def _written(
    model: MultimodalModel,
    task: TextGeneration,
    head: TextGenerationHead,
    tensors: Mapping[str, tf.Tensor],
) -> dict[str, np.ndarray]:
    """What greedy search in the model writes."""
    found = head.written(head.source(model.fused(tensors)), Greedy())
    texts = task.decode({"token_ids": found["token_ids"], "score": found["score"]})["text"]
    return {
        "token_ids": np.array(found["token_ids"], "int32"),
        "score": np.array(found["score"]),
        "text": texts.numpy(),
    }
