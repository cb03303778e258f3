"""The pocket models' tokenizer: byte-level BPE, as Qwen's, with at most 1,024 tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any, Literal

from offtraj.studies.pocket.problem import MONTHS, NAMES, problems
from offtraj.studies.pocket.trace import answer, solution, solution_with_slip

__all__ = ["Template", "make_tokenizer"]

Template = Literal["opens-thinking", "leaves-thinking"]

_START, _END = "<|im_start|>", "<|im_end|>"
_SPECIAL = (_END, _START, "<think>", "</think>")
_TURN = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n" + "{}" + "' }}{% endif %}"
)
_TEMPLATES: dict[Template, str] = {
    "opens-thinking": _TURN.replace("{}", "<think>\\n"),  # as R1's: the model continues inside its thinking
    "leaves-thinking": _TURN.replace("{}", ""),  # as Qwen3's: the model writes `<think>` itself
}
_VOCABULARY = 1024


def make_tokenizer(template: Template) -> Any:
    """The tokenizer of all pocket models, with the given chat template.

    It is trained on their own texts: each of their words, and each number from 0 to 99 with or without a preceding
    space, is one token. Other text falls back to bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=_END,
        pad_token=_END,
        extra_special_tokens=list(_SPECIAL[1:]),
        chat_template=_TEMPLATES[template],
        model_max_length=1024,
    )


def _texts() -> Iterator[str]:
    rng = Random("tokenizer")
    drawn = problems("train", -1)
    for problem, other in zip(islice(drawn, 2000), islice(drawn, 2000), strict=True):
        yield problem.question
        yield "".join(solution(rng, problem)) + answer(rng, problem)
        yield "".join(piece.text for piece in solution_with_slip(rng, problem, other))
    for number in range(100):
        yield from [f" {number}({number})"] * 50
    for word in (*NAMES, *MONTHS):
        yield from [word, f" {word}"] * 50
    yield from ["Wait. Let me think. The final answer is this; we should know that it was there before."] * 50
