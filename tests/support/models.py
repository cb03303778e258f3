"""Tiny real models for tests: a trained tokenizer, a chat template, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

Template = Literal["r1", "qwen3", "qwen2.5"]

# Written from their documented behaviour, cut down to what one user turn needs.
TEMPLATES: dict[Template, str] = {
    # Opens the thinking in the generation prompt, and drops earlier thinking.
    "r1": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
        "{% else %}<|Assistant|>{{ m.content.split('</think>')[-1] }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
    ),
    # Leaves the opening to the model, and turns prefilled thinking into a second block.
    "qwen3": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
        "{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    # Knows no thinking, and adds a system prompt.
    "qwen2.5": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
}

_SPECIAL = {
    "r1": ["<|begin|>", "<|end|>", "<|User|>", "<|Assistant|>", "<think>", "</think>"],
    "qwen3": ["<|im_start|>", "<|im_end|>", "<think>", "</think>"],
    "qwen2.5": ["<|im_start|>", "<|im_end|>"],
}

_CORPUS = (
    "Okay, so I need to find the number of apples. First, let me think. 3 + 4 = 7, so the answer is 7.",
    "Wait. Let me think again: \\( x^2 = 9 \\), so x = 3. Therefore the final answer is \\boxed{3}.",
    "The cylinder has volume $45\\pi$. Its height is 5. Hmm, let me check. 嗯，我现在要解决这个问题。",
)


def make_tokenizer(template: Template) -> Any:
    """A byte-level BPE tokenizer, like those of the models whose template it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = _SPECIAL[template]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    end = "<|end|>" if template == "r1" else "<|im_end|>"
    return PreTrainedTokenizerFast(
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
    model.generation_config = GenerationConfig(
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
