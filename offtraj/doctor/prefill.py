"""Whether a chat template keeps a prefilled assistant turn: whether prompt mode `chat` is exact."""

from __future__ import annotations

from offtraj.doctor.change import changes, describe
from offtraj.doctor.finding import Finding
from offtraj.doctor.template import CLOSING, QUESTION, probes
from offtraj.errors import first_line
from offtraj.model.prompt import ChatFormat

__all__ = ["examine_prefill"]


def examine_prefill(chat: ChatFormat, *, needed: bool, forces: bool) -> Finding:
    """The finding for a turn of opening delimiter and prefix, rendered as servers do for `continue_final_message`.

    Args:
        chat: The model's format.
        needed: Whether the spec sends prompts in that mode.
        forces: Whether some prefixes end the thinking (answer-forcing).
    """
    name, kinds = "chat prefill", probes(chat.delimiters)
    found = {kind: _changes(chat, prefix) for kind, prefix in kinds.items()}
    if not any(found.values()):
        return Finding(name, "exact", f"the template keeps it, for each of {len(kinds)} texts", needed=needed)
    if not any(several for kind, several in found.items() if kind != CLOSING):
        what = f"the template keeps it, but where it ends the thinking: {found[CLOSING][0]}"
        return Finding(
            name, "inexact", what, "leave out variants that end the thinking, or send ids", needed=needed and forces
        )
    return Finding(
        name, "inexact", f"the template changes it: {describe(found)}", "send ids (`prompts: ids`)", needed=needed
    )


def _changes(chat: ChatFormat, prefix: str) -> tuple[str, ...]:
    """The changes to the prefix."""
    (prompt,) = chat.steered([(QUESTION, prefix)])
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": prompt.thinking}]
    try:
        text = str(chat.tokenizer.apply_chat_template(turns, continue_final_message=True, tokenize=False))
    except Exception as error:  # templates are programs and may raise any error
        if "does not appear in the chat" in str(error):
            return ("the thinking is dropped, and servers refuse the turn",)
        return (f"refused: {first_line(error)}",)
    return changes(prompt, text, chat.delimiters, chat.tokenizer.bos_token)
