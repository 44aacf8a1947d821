"""Texts beside those that people wrote: exact match, BLEU, chrF, ROUGE-L."""

import importlib
import unicodedata
from collections.abc import Sequence
from typing import Any

#: The texts that people wrote about one sample: one, or several.
References = str | Sequence[str]


def exact_match(references: Sequence[References], hypotheses: Sequence[str]) -> float:
    """The share of texts that are one of their references, white space aside.

    Args:
        references: what people wrote about each sample.
        hypotheses: what a model wrote about it.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: there is nothing to compare, or not a reference for each.

    Example:

    >>> exact_match(["a cat", ["two dogs", "dogs"]], [" a  cat", "a dog"])
    0.5
    """
    several = paired(references, hypotheses)
    same = [
        any(one.split() == made.split() for one in right)
        for right, made in zip(several, hypotheses)
    ]
    return sum(same) / len(same)


def bleu(references: Sequence[References], hypotheses: Sequence[str]) -> float:
    """How many runs of one to four words are those of a reference, over all texts, by sacrebleu.

    Sources: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation";
    Post 2018, "A Call for Clarity in Reporting BLEU Scores", whose tokenizer (13a) and defaults
    these are.

    Args:
        references: what people wrote about each sample.
        hypotheses: what a model wrote about it.

    Returns:
        From 0 to 100.

    Raises:
        ImportError: sacrebleu is not installed; the message names the extra.
        ValueError: there is nothing to compare, or not a reference for each.

    Example:

    >>> round(bleu(["the cat sat on the mat"], ["the cat sat on a mat"]), 2)
    53.73
    """
    return _sacrebleu().corpus_bleu(list(hypotheses), _streams(references, hypotheses)).score


def chrf(references: Sequence[References], hypotheses: Sequence[str]) -> float:
    """How many runs of one to six characters are a reference's, over all texts, by sacrebleu.

    Kinder than BLEU to languages whose words have many forms.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation", in which
    recall weighs twice as much as precision.

    Args:
        references: what people wrote about each sample.
        hypotheses: what a model wrote about it.

    Returns:
        From 0 to 100.

    Raises:
        ImportError: sacrebleu is not installed; the message names the extra.
        ValueError: there is nothing to compare, or not a reference for each.

    Example:

    >>> chrf(["the cat sat"], ["the cat sat"])
    100.0
    """
    return _sacrebleu().corpus_chrf(list(hypotheses), _streams(references, hypotheses)).score


def rouge_l(references: Sequence[References], hypotheses: Sequence[str]) -> float:
    """The longest sequence of words that both hold, by rouge-score: mean F of all texts.

    Of several references the best counts. Words are runs of letters and digits of any script,
    whatever their case; of English they are those of rouge-score's own tokenizer without stemming.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".

    Args:
        references: what people wrote about each sample.
        hypotheses: what a model wrote about it.

    Returns:
        From 0 to 1.

    Raises:
        ImportError: rouge-score is not installed; the message names the extra.
        ValueError: there is nothing to compare, or not a reference for each.

    Example:

    >>> rouge_l(["the cat sat"], ["the dog sat down"])  # "the sat": 2 of 3 words, and 2 of 4
    0.571...
    """
    several = paired(references, hypotheses)
    scorer = _package("rouge_score.rouge_scorer", "ROUGE-L", "rouge-score").RougeScorer(
        ["rougeL"], tokenizer=_Words()
    )
    found = [
        scorer.score_multi(right, made)["rougeL"].fmeasure
        for right, made in zip(several, hypotheses)
    ]
    return sum(found) / len(found)


def paired(references: Sequence[References], hypotheses: Sequence[str]) -> list[list[str]]:
    """The references of each hypothesis, as lists.

    Raises:
        ValueError: there is nothing to compare, or not a reference for each.
    """
    if not hypotheses or len(references) != len(hypotheses):
        raise ValueError(
            f"there are references of {len(references)} texts and {len(hypotheses)} hypotheses; "
            "there have to be some, and as many of the one as of the other."
        )
    several = [[one] if isinstance(one, str) else list(one) for one in references]
    for number, right in enumerate(several):
        if not right:
            raise ValueError(f"hypothesis {number} has no reference; leave it out.")
    return several


class _Words:
    """rouge-score's own tokenizer would drop all letters but a to z."""

    def tokenize(self, text: str) -> list[str]:
        # Marks are parts of letters, such as the vowel signs of Hindi.
        kept = (
            c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text.lower()
        )
        return "".join(kept).split()


def _streams(references: Sequence[References], hypotheses: Sequence[str]) -> list[list[str | None]]:
    """First references of all texts, then second ones, and so on; None where there are fewer."""
    several = paired(references, hypotheses)
    most = max(map(len, several))
    return [[right[i] if i < len(right) else None for right in several] for i in range(most)]


def _sacrebleu() -> Any:
    return _package("sacrebleu", "BLEU and chrF", "sacrebleu")


def _package(module: str, measure: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{measure} needs {package}; install it with pip install "mmkeras[text]".'
        ) from error
