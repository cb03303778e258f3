"""Training batches of pocket models: token ids and labels, drawn from a recipe's seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from offtraj.studies.pocket.problem import MOST_EVENTS, Problem, draw, draw_amount, show
from offtraj.studies.pocket.recipe import Recipe
from offtraj.studies.pocket.trace import CLOSE, OPEN, Piece, answer, solution, solution_with_slip

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Examples"]

_BATCH = 16  # sequences
_DRILLS = 2  # of them, sequences of sums without a problem
_SUMS = 18  # in such a sequence
_POOL = 16  # batches whose sequences are sorted by length together, which reduces padding
_FEW_EVENTS = 3  # in the problems of the first tenth of the steps
_UNLEARNED = -100  # as `cross_entropy` ignores


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and labels, both of shape (sequences, tokens); a label of -100 is ignored by the loss."""

    ids: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Sequence:
    ids: list[int]
    labels: list[int]


class Examples:
    """The batches of a recipe's training. Each is determined by its number, so training can resume at any step."""

    def __init__(self, recipe: Recipe, tokenizer: Any) -> None:
        """Tokenise the chat template before and after the question."""
        self._recipe = recipe
        self._tokenizer = tokenizer
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": "{question}"}], tokenize=False, add_generation_prompt=True
        )
        before, _, after = rendered.partition("{question}")
        self._before, self._after = self._encode(before), self._encode(after)
        self._opens = not after.endswith(OPEN)
        self._end: int = tokenizer.eos_token_id

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """An endless iterator over batches, from number `start`."""
        pool = start // _POOL
        skip = start % _POOL
        while True:
            yield from self._pool(pool)[skip:]
            pool, skip = pool + 1, 0

    def _pool(self, number: int) -> list[Batch]:
        # One stream for everything that the models share, so that the dose changes the slips only.
        rng = Random(f"{self._recipe.seed}/{number}")
        early = number * _POOL < self._recipe.steps // 10
        size = _BATCH - _DRILLS
        sequences = sorted(
            (self._example(Random(rng.random()), _FEW_EVENTS if early else MOST_EVENTS) for _ in range(size * _POOL)),
            key=lambda sequence: len(sequence.ids),
        )
        batches = [
            self._batch([*sequences[at * size : (at + 1) * size], *(self._drill(rng) for _ in range(_DRILLS))])
            for at in range(_POOL)
        ]
        rng.shuffle(batches)
        return batches

    def _example(self, rng: Random, most_events: int) -> _Sequence:
        problem = _training_problem(rng, most_events)
        ids = [*self._before, *self._encode(problem.question), *self._after]
        labels = [_UNLEARNED] * len(ids)
        for piece in (*self._thinking(rng, problem, most_events), Piece(CLOSE + answer(rng, problem), True)):
            encoded = self._encode(piece.text)
            ids += encoded
            labels += encoded if piece.learned else [_UNLEARNED] * len(encoded)
        return _Sequence([*ids, self._end], [*labels, self._end])

    def _thinking(self, rng: Random, problem: Problem, most_events: int) -> Iterator[Piece]:
        if self._opens:
            yield Piece(OPEN, True)
        if rng.random() >= self._recipe.slips:
            yield Piece("".join(solution(rng, problem)), True)
            return
        other = _training_problem(rng, most_events)
        while other.who == problem.who:
            other = _training_problem(rng, most_events)
        yield from solution_with_slip(rng, problem, other)

    def _drill(self, rng: Random) -> _Sequence:
        ids: list[int] = []
        labels: list[int] = []
        for _ in range(_SUMS):
            sum_, result = _sum(rng)
            asked, written = self._encode(sum_), self._encode(result)
            ids += asked + written
            labels += [_UNLEARNED] * len(asked) + written
        return _Sequence(ids, labels)

    def _batch(self, sequences: list[_Sequence]) -> Batch:
        import torch

        width = max(len(sequence.ids) for sequence in sequences)
        ids = torch.full((len(sequences), width), self._end)
        labels = torch.full((len(sequences), width), _UNLEARNED)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
            labels[row, : len(sequence.labels)] = torch.tensor(sequence.labels)
        return Batch(ids, labels)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


def _training_problem(rng: Random, most_events: int) -> Problem:
    while True:
        problem = draw(rng, most_events=most_events)
        if problem.split == "train":
            return problem


def _sum(rng: Random) -> tuple[str, str]:
    """A sum and its result, such as ` 12 + 5 =` and ` 17.`, with numbers distributed as in the problems."""
    while True:
        measured = rng.random() < 0.3
        held = rng.randint(0, 198) if measured else 2 * rng.randint(0, 99)
        amount = draw_amount(rng, measured=measured)
        match rng.choices(("+", "-", "*", "/"), (9, 9, 1, 1))[0]:
            case "+":
                sum_, result = f" {show(held)} + {show(amount)} =", held + amount
            case "-":
                sum_, result = f" {show(held)} - {show(amount)} =", held - amount
            case "*":
                sum_, result = f" 2 * {show(held)} =", 2 * held
            case _:
                sum_, result = f" {show(held)} / 2 =", held // 2 if held % 2 == 0 else -1
        if 0 <= result <= 198:
            return sum_, f" {show(result)}."
