"""`Choice`, `Range`, `SearchSpace`: what a space holds, and what it refuses."""

import functools

import pytest

from mmkeras.training import Choice, Range, Recipe, SearchSpace, parse_search
from mmkeras.training.search_space import searchable


def model(train, size="small", dropout=0.1, heads=4):
    return size, dropout, heads


RECIPE = Recipe("pets", sources=dict, model=model, pipeline={"pad": "max"})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Choice(), "got none"),
        (lambda: Choice(1, 2, 1), "1 stands twice"),
        (lambda: Choice(object()), "which a file can hold"),
        (lambda: Choice(float("nan")), "which a file can hold"),
        (lambda: Range(2, 1), "wrong way round"),
        (lambda: Range(1, 1), "nothing to search"),
        (lambda: Range(0, float("inf")), "high .* finite"),
        (lambda: Range("a", 1), "low .* finite number; got 'a'"),
        (lambda: Range(0, 1, log=True), "above 0; got low=0"),
        (lambda: Range(0, 1, step=2), "at most 1"),
        (lambda: Range(0, 1, step=0), "above 0"),
        (lambda: Range(1, 8, log=True, step=1), "factor above 1"),
    ],
)
def test_what_is_no_set_of_values_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_one_and_true_are_not_the_same():
    assert Choice(1, True, 1.0).values == (1, True, 1.0)


@pytest.mark.parametrize(
    ("what", "is_log"),
    [
        (Range(1, 10), True),
        (Range(1, 9), False),
        (Range(0, 10), False),
        (Range(1, 100, step=1), False),
        (Range(1, 2, log=True), True),
        (Range(1, 100, log=False), False),
    ],
)
def test_wide_ranges_go_by_orders_of_magnitude(what, is_log):
    assert what.is_log == is_log


def test_what_may_be_searched_and_what_is_there_now():
    known = searchable(RECIPE)
    assert known["learning_rate"] == 1e-3 and known["ema_momentum"] is None
    assert (known["model.size"], known["model.heads"]) == ("small", 4)
    assert known["pipeline.pad"] == "max" and known["pipeline.drop_remainder"] is False
    for name in ("model", "sources", "name", "model.train", "pipeline.batch_size", "pipeline.seed"):
        assert name not in known
    bound = RECIPE.replace(model=functools.partial(model, size="tiny"))
    assert searchable(bound)["model.size"] == "tiny"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({}, "empty"),
        ({"learning_rte": Choice(1)}, r"'pets' .* 'learning_rte'; there are \['epochs', .* Did"),
        ({"model.sizes": Choice("tiny")}, "Did you mean 'model.size'"),
        ({"batch_size": 32}, "must be a Choice or a Range; got 32"),
        ({"ema_momentum": Range(0.9, 0.99)}, "is None in the recipe, which is no number"),
        ({"augment": Range(0, 1)}, "is True in the recipe, which is no number"),
        ({"model.size": Range(0, 1)}, "is 'small' in the recipe, which is no number"),
    ],
)
def test_a_space_that_does_not_fit_the_recipe_is_refused(search, message):
    with pytest.raises(ValueError, match=message):
        SearchSpace(RECIPE, search)


def test_orders_of_magnitude_have_no_place_for_zero():
    recipe = RECIPE.replace(weight_decay=0.0)
    with pytest.raises(ValueError, match=r"weight_decay is 0\.0 .* log=False"):
        SearchSpace(recipe, {"weight_decay": Range(1e-4, 1e-1)})


def test_the_recipes_own_value_is_among_the_choices():
    space = SearchSpace(RECIPE, {"batch_size": Choice(16, 64), "epochs": Choice(10, 3)})
    assert space.search["batch_size"].values == (32, 16, 64)
    assert space.search["epochs"].values == (10, 3)


@pytest.mark.parametrize(
    ("name", "what", "whole"),
    [
        ("batch_size", Range(8, 64), True),
        ("batch_size", Range(8, 64, step=8), True),
        ("model.dropout", Range(0, 1), False),
        ("model.heads", Range(1, 4.5), False),
        ("model.size", Choice(1, 2), False),
    ],
)
def test_whole_numbers(name, what, whole):
    assert SearchSpace(RECIPE, {name: what}).is_whole(name) is whole


def test_values_go_where_they_belong():
    search = {
        "epochs": Choice(3),
        "model.size": Choice("base"),
        "pipeline.on_error": Choice("skip"),
    }
    made = SearchSpace(RECIPE, search).apply(
        {"epochs": 3, "model.size": "base", "pipeline.on_error": "skip"}
    )
    assert made.epochs == 3 and made.batch_size == 32
    assert made.model(None) == ("base", 0.1, 4)
    assert made.pipeline == {"pad": "max", "on_error": "skip"}
    assert RECIPE.pipeline == {"pad": "max"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a=1,2.5,x y,None,true", Choice(1, 2.5, "x y", None, True)),
        ("a=0.1..0.5", Range(0.1, 0.5)),
        ("a=-1..1", Range(-1, 1)),
        ("a=8..64:8", Range(8, 64, step=8)),
        ("a=1e-5..1e-3", Range(1e-5, 1e-3)),
    ],
)
def test_words_of_a_command_line(text, what):
    assert parse_search(text) == ("a", what)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate", "expected NAME="),
        ("=1,2", "expected NAME="),
        ("rate=", "expected NAME="),
        ("rate=1..0", r"rate=1\.\.0: .*wrong way round"),
        ("rate=low..high", "finite number; got 'low'"),
    ],
)
def test_words_that_are_no_space(text, message):
    with pytest.raises(ValueError, match=message):
        parse_search(text)
