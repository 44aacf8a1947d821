"""What is wrong with a bad sample, in words a person can act upon."""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from mmkeras.contracts.source import Source

# How the messages of TensorFlow's decoders begin.
_UNDECODABLE = r"jpeg::|Invalid (PNG|GIF|BMP)|Input size should match"


class Unencodable:
    """The raw value of a cell that could not be encoded: a mark, then the reason.

    So a cell that no modality can read comes as far as the place where bad samples are dealt with.
    """

    _MARK = b"\0unencodable: "

    @classmethod
    def because(cls, error: Exception) -> bytes:
        """The raw value that tells of an error."""
        return cls._MARK + str(error).encode(errors="replace")

    @classmethod
    def reason(cls, raw: bytes) -> str:
        """What the raw value tells; nothing if it is an ordinary one."""
        return raw.removeprefix(cls._MARK).decode() if raw.startswith(cls._MARK) else ""

    @classmethod
    def test(cls, raw: tf.Tensor) -> tf.Tensor:
        """bool, of the shape of `raw`, in graph."""
        return tf.strings.substr(raw, 0, len(cls._MARK)) == cls._MARK


def diagnose(
    source: Source, index: int, row: Any, steps: Mapping[str, Callable[[tf.Tensor], Any]]
) -> str:
    """Runs steps one by one, eagerly, to see which of them fails and why.

    Args:
        source: where the row comes from.
        index: the row's index, by which the source locates it.
        row: one row of `source.rows`.
        steps: `{column: function}`, each called with the column's raw value (string []).

    Returns:
        Place, field, value and reason; the empty string if no step fails.
    """
    for column, step in steps.items():
        reason = _complaint(source, column, row, step)
        if reason:
            value = source.cell(index, column)
            return f"{source.locate(index)}, field {column!r} ({value}): {reason}"
    return ""


def _complaint(source: Source, column: str, row: Any, step: Callable[[tf.Tensor], Any]) -> str:
    # Loading a column alone tells whose file is missing.
    alone = {column: row[column]} if isinstance(row, Mapping) and column in row else row
    try:
        raw = source.load(alone)[column]
        if reason := Unencodable.reason(raw.numpy()):
            return reason
        step(raw)
    except tf.errors.NotFoundError as error:
        return f"there is no file {reason_of(error).split(';')[0]}."
    except (tf.errors.OpError, TypeError, ValueError) as error:
        return reason_of(error)
    return ""


def reason_of(error: Exception) -> str:
    """The sentence of an error that says what is wrong, without TensorFlow's wrapping.

    Args:
        error: raised while a pipeline was iterated, in `fit` or elsewhere, or by an operation.

    Example:

    >>> try:
    ...     tf.io.decode_base64("??")
    ... except tf.errors.InvalidArgumentError as error:
    ...     print(reason_of(error))
    Invalid character found in base64.
    """
    text = getattr(error, "message", None) or str(error)
    # An operation that ran by itself is named behind what it says.
    text = re.sub(r"\s*\[Op:\w+\](\s*name:.*)?\s*$", "", text)
    in_graph = re.search(r"assertion failed: \[(.*?)\]\s*(\[\[|$)", text, re.DOTALL)
    in_eager = re.search(r"Summarized data: (.*)", text, re.DOTALL)
    if in_graph:
        text = in_graph[1].replace("] [", " ").replace("\\n", "\n")
        text = re.sub(r"\\(['\"\\])", r"\1", text)
    elif in_eager:
        text = " ".join(_literal(line) for line in in_eager[1].splitlines())
    else:
        text = re.sub(r"\{\{function_node .*?\}\} ", "", text)
        # In a graph, the sentence stands between a trace and the name of the node.
        text, *node = text.split("\n\t [[{{node")
        text = text.splitlines()[-1] if node else text
    text = text.replace(" ;", ";").strip()
    if re.match(_UNDECODABLE, text):
        return f"the picture is damaged or cut short; save it again ({text.rstrip('.')})."
    return text + ("" if text.endswith((".", "!", "?")) else ".")


def _literal(shown: str) -> str:
    """A bytes literal as the text it holds; anything else as it is."""
    try:
        value = ast.literal_eval(shown)
    except (SyntaxError, ValueError):
        return shown
    return value.decode(errors="replace") if isinstance(value, bytes) else shown
