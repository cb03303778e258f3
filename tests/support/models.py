"""Tiny real models for tests: a trained tokenizer, a chat template, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

Template = Literal["r1", "qwq", "qwen3", "qwen2.5", "qwen3.5"]

_CHATML = (
    "{% for m in messages %}{% if m.role != 'assistant' %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% else %}{{ '<|im_start|>assistant\n' }}"
)
_THINKING_TURN = (
    "{% set inside = namespace(thinking='', said=said(m)) %}{% if '</think>' in inside.said %}"
    "{% set inside.thinking = inside.said.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{% set inside.said = inside.said.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if loop.last or inside.thinking %}{{ '<think>\n' + clean(inside.thinking) + '\n</think>\n\n' }}"
    "{{ inside.said.lstrip('\n') }}{% else %}{{ inside.said }}{% endif %}"
)

# Written from their documented behaviour, cut down to what one user turn and a prefilled turn need.
TEMPLATES: dict[Template, str] = {
    # DeepSeek-R1-Distill: has the BOS, opens the thinking in the generation prompt, drops earlier thinking.
    "r1": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% endif %}{% endfor %}"
        "{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
        "{% elif m.role == 'assistant' %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
    ),
    # QwQ: opens the thinking in the generation prompt, drops earlier thinking and the newlines behind it.
    "qwq": (
        _CHATML + "{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
    ),
    # Qwen3: leaves the opening to the model, and puts a think block before every last turn.
    "qwen3": (
        _CHATML
        + _THINKING_TURN.replace("said(m)", "m.content").replace(
            "clean(inside.thinking)", "inside.thinking.strip('\n')"
        )
        + "<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
    ),
    # Qwen2.5-Instruct: knows no thinking, and adds a system prompt.
    "qwen2.5": (
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. "
        "You are a helpful assistant.<|im_end|>\n{% endif %}"
        + _CHATML
        + "{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
        + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    # Qwen3.5: as Qwen3, but opens the thinking itself, and trims every turn and all thinking.
    "qwen3.5": (
        _CHATML.replace("{{ m.content }}", "{{ m.content|trim }}")
        + _THINKING_TURN.replace("said(m)", "m.content|trim").replace("clean(inside.thinking)", "inside.thinking|trim")
        + "<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
        "{% else %}<think>\n{% endif %}{% endif %}"
    ),
}

_CHATML_TOKENS = ["<|im_start|>", "<|im_end|>"]
_SPECIAL = dict.fromkeys(TEMPLATES, _CHATML_TOKENS) | {"r1": ["<|begin|>", "<|end|>", "<|User|>", "<|Assistant|>"]}
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CORPUS = (
    "Okay, so I need to find the number of apples. First, let me think. 3 + 4 = 7, so the answer is 7.",
    "Wait. Let me think again: \\( x^2 = 9 \\), so x = 3. Therefore the final answer is \\boxed{3}.",
    "The cylinder has volume $45\\pi$. Its height is 5. Hmm, let me check. 嗯，我现在要解决这个问题。",
)


def make_tokenizer(template: Template) -> Any:
    """A byte-level BPE tokenizer, like those of the models whose template it has.

    As theirs, Qwen's brings text into Unicode's normal form C, R1's puts a BOS before text, and the tags of
    thinking are tokens, but no special ones.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    special = _SPECIAL[template]
    tokenizer = Tokenizer(models.BPE())
    if template != "r1":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    if template == "r1":
        bos = ("<|begin|>", tokenizer.token_to_id("<|begin|>"))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[bos]
        )
    if template != "qwen2.5":
        tags = [AddedToken(tag, normalized=False, special=False) for tag in ("<think>", "</think>")]
        tokenizer.add_tokens(tags)
    end = "<|end|>" if template == "r1" else "<|im_end|>"
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token=end,
        bos_token="<|begin|>" if template == "r1" else None,
        extra_special_tokens=special,
        chat_template=TEMPLATES[template],
    )


def make_model(folder: Path, template: Template = "qwen3", *, context: int = 2048, seed: int = 0) -> Path:
    """A folder with a two-layer model that transformers and vLLM load; its weights are random."""
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    tokenizer = make_tokenizer(template)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = Qwen3ForCausalLM(config)
    # Defaults as real models have them: the engine must not let them into the test.
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=[tokenizer.eos_token_id], do_sample=True, top_k=20, temperature=0.9, repetition_penalty=1.3
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _corpus() -> Iterator[str]:
    for _ in range(50):
        yield from _CORPUS


if __name__ == "__main__":
    import sys

    make_model(Path(sys.argv[1]), "r1", context=32768)
