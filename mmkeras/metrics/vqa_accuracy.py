"""`vqa_accuracy`: answers to questions that several people answered."""

from collections.abc import Sequence


def vqa_accuracy(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> float:
    """An answer that three people gave is right; one that fewer gave is right by a third each.

    Case and white space aside. The scripts of the VQA challenge also take articles and punctuation
    off, and average over all of the people but one.

    Source: Antol et al. 2015, "VQA: Visual Question Answering": min(people / 3, 1).

    Args:
        references: the answers that people gave to each question; in VQA ten.
        hypotheses: the answer that a model gave to it.

    Returns:
        From 0 to 1: the mean over the questions.

    Raises:
        ValueError: there is no question, one that nobody answered, or not as many of the one as
            of the other.

    Example:

    >>> people = ["cat"] * 8 + ["kitten"] * 2
    >>> vqa_accuracy([people, people, people], ["Cat", "kitten", "dog"])
    0.555...
    """
    if not hypotheses or len(references) != len(hypotheses):
        raise ValueError(
            f"there are people's answers to {len(references)} questions and {len(hypotheses)} "
            "hypotheses; there have to be some, and as many of the one as of the other."
        )
    for people in references:
        if isinstance(people, str) or not people:
            raise ValueError(
                f"the answers to a question are {people!r:.80}; they have to be a list of what "
                "each person said."
            )
    agreed = [
        sum(_plain(answer) == _plain(made) for answer in people)
        for people, made in zip(references, hypotheses)
    ]
    return sum(min(people / 3, 1.0) for people in agreed) / len(agreed)


def _plain(text: str) -> list[str]:
    return text.lower().split()
