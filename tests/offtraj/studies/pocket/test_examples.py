"""What is read in training follows from its number alone, and a dose changes nothing but the slips."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch

from offtraj.studies.pocket.examples import Batch, Examples
from offtraj.studies.pocket.recipe import FAMILY, Recipe
from offtraj.studies.pocket.tokenizer import make_tokenizer

RECIPE = replace(FAMILY["sturdy"], steps=100)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer("opens-thinking")


def texts(tokenizer: Any, batches: list[Batch], *, learned: bool) -> list[str]:
    """Every sequence, or what of it is learned."""
    found = []
    for batch in batches:
        for ids, labels in zip(batch.ids, batch.labels, strict=True):
            chosen = ids[labels != -100] if learned else ids
            found.append(tokenizer.decode(chosen, clean_up_tokenization_spaces=False))
    return found


def read(recipe: Recipe, tokenizer: Any, count: int, start: int = 0) -> list[Batch]:
    return list(islice(Examples(recipe, tokenizer).batches(start), count))


@pytest.mark.parametrize("start", [1, 15, 16, 21])
def test_training_can_go_on_anywhere(tokenizer: Any, start: int) -> None:
    whole, rest = read(RECIPE, tokenizer, 24), read(RECIPE, tokenizer, 24 - start, start)
    for one, other in zip(whole[start:], rest, strict=True):
        assert torch.equal(one.ids, other.ids)
        assert torch.equal(one.labels, other.labels)


def test_what_is_learned_is_what_is_read_there(tokenizer: Any) -> None:
    for batch in read(RECIPE, tokenizer, 4):
        chosen = batch.labels != -100
        assert torch.equal(batch.ids[chosen], batch.labels[chosen])
        assert bool(chosen.any(dim=1).all())


def test_questions_and_slips_are_read_and_not_learned(tokenizer: Any) -> None:
    batches = read(replace(RECIPE, slips=1.0), tokenizer, 32)
    learned = [text for text in texts(tokenizer, batches, learned=True) if "boxed" in text]
    assert len(learned) == 32 * 14
    assert not any("How many" in text for text in learned)
    assert all("From the start" in text and text.endswith("<|im_end|>") for text in learned)
    assert any("Hold on." in text for text in texts(tokenizer, batches, learned=False))
    assert not any("Hold on." in text for text in learned)


def test_a_dose_changes_nothing_but_the_slips(tokenizer: Any) -> None:
    some = set(texts(tokenizer, read(replace(RECIPE, slips=0.3), tokenizer, 48), learned=True))
    none = set(texts(tokenizer, read(replace(RECIPE, slips=0.0), tokenizer, 48), learned=True))
    shared = {text for text in some if "From the start" not in text}
    assert shared < none
    assert 0.6 * len(none) < len(shared) < 0.8 * len(none)


def test_the_first_tenth_is_easy(tokenizer: Any) -> None:
    early, late = (texts(tokenizer, read(RECIPE, tokenizer, 16, start), learned=False) for start in (0, 48))
    assert max(text.partition("How many")[0].count("In ") for text in early) <= 3 + 3  # the decoy's, too
    assert max(text.partition("How many")[0].count("In ") for text in late) > 6


def test_a_model_that_opens_its_thinking_learns_to(tokenizer: Any) -> None:
    leaves = make_tokenizer("leaves-thinking")
    (batch,) = read(replace(RECIPE, template="leaves-thinking"), leaves, 1)
    learned = [text for text in texts(leaves, [batch], learned=True) if "boxed" in text]
    assert learned
    assert all(text.startswith("<think>\n") for text in learned)
    (batch,) = read(RECIPE, tokenizer, 1)
    assert not any("<think>" in text for text in texts(tokenizer, [batch], learned=True))
