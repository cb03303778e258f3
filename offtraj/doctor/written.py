"""The checks of completions: whether their text arrives unchanged, and how they open, close and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from offtraj.doctor.finding import Finding
from offtraj.doctor.server import Said
from offtraj.model.prompt import ChatFormat
from offtraj.model.trajectory import NONE, split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["examine_ends", "examine_solo", "examine_texts"]

_LOST = "\ufffd"  # the decoder's replacement for bytes that are no character


def examine_texts(said: Sequence[Said], chat: ChatFormat, ends: Mapping[int, Sequence[str]]) -> list[Finding]:
    """Findings on texts compared with the ids that the server reports for them.

    Args:
        said: The completions.
        chat: The model's format.
        ends: The model's end tokens.
    """
    tokenizer = chat.tokenizer
    known = [(one.text, _written(one, ends)) for one in said if one.ids is not None]
    pairs = [
        (text, whole, plain)
        for text, ids in known
        if _LOST not in (whole := _decode(tokenizer, ids, skip=False))
        for plain in [_decode(tokenizer, ids, skip=True)]
    ]
    if not pairs:
        what = "the server does not report the ids of completions, so nothing shows it"
        if known:
            what = "nothing shows it: all that was written has bytes that are no characters"
        return [Finding(name, "unsupported", what, needed=False) for name in ("white space", "special tokens")]
    return [_white_space(pairs), _special_tokens(pairs, chat), *_delimiter_lost(pairs, chat)]


def _white_space(pairs: Sequence[tuple[str, str, str]]) -> Finding:
    padded = [pair for pair in pairs if pair[1] != pair[1].strip()]
    trimmed = [pair for pair in padded if pair[0] not in pair[1:] and pair[0].strip() == pair[1].strip()]
    if trimmed:
        what = f"completions are trimmed: {trimmed[0][1][-20:]!r} came as {trimmed[0][0][-20:]!r}"
        return Finding("white space", "inexact", what, "turn off trimming, in a proxy or an option of the server")
    if not padded:
        return Finding("white space", "unsupported", f"nothing to trim in {len(pairs)} completions", needed=False)
    return Finding("white space", "exact", f"kept, where completions begin or end with some ({len(padded)})")


def _special_tokens(pairs: Sequence[tuple[str, str, str]], chat: ChatFormat) -> Finding:
    special = set(chat.tokenizer.all_special_tokens)
    tags = {chat.delimiters.open.strip(), chat.delimiters.close.strip()} - {""}
    theirs = [pair for pair in pairs if pair[1] != pair[2]]
    if any(text == plain for text, _, plain in theirs):
        needed = bool(tags & special)
        what = "special tokens are removed from completions" + (", the delimiters of thinking among them" * needed)
        return Finding(
            "special tokens", "inexact", what, "use a server that supports `skip_special_tokens: false`", needed=needed
        )
    if theirs:
        return Finding("special tokens", "exact", f"kept in the text of completions that have some ({len(theirs)})")
    if not tags & special:
        return Finding("special tokens", "exact", "the delimiters of thinking are none", needed=False)
    return Finding("special tokens", "unsupported", f"none was written in {len(pairs)} completions", needed=False)


def _delimiter_lost(pairs: Sequence[tuple[str, str, str]], chat: ChatFormat) -> list[Finding]:
    close = chat.delimiters.close
    if close and any(close in whole and close not in text for text, whole, _ in pairs):
        what = f"the model wrote {close!r}, and it did not arrive: a reasoning parser, or special tokens removed"
        return [Finding("delimiters arrive", "inexact", what, "serve the model without --reasoning-parser")]
    return []


def examine_solo(one: Said, chat: ChatFormat, *, opened: bool) -> Finding:
    """Whether the model opens and closes its thinking as the template and delimiters suggest.

    Args:
        one: A solo sample.
        chat: The model's format.
        opened: Whether the template opens the thinking.
    """
    name, tokens = "solo sample", "" if one.ids is None else f" of {len(one.ids)} tokens"
    if chat.delimiters == NONE:
        return Finding(name, "exact", f"a text{tokens} without delimiters", needed=False)
    trajectory = split(one.text, chat.delimiters)
    tag = chat.delimiters.open.rstrip("\n")
    wrong = []
    if not opened and not one.text.startswith(tag):
        wrong.append(f"it does not open its thinking with {tag!r}: {one.text[:30]!r}")
    if opened and one.text.startswith(tag):
        wrong.append(f"it opens its thinking again, after the template has: {one.text[:30]!r}")
    if not trajectory.closed:
        ran_out = one.ended == "length"
        wrong.append(f"it does not close it{' within the limit' if ran_out else ''}: {one.text[-30:]!r}")
    if not wrong:
        return Finding(name, "exact", f"a text{tokens} with its thinking opened and closed", needed=False)
    remedy = "look at the text: is it a reasoning model, are these its delimiters?"
    return Finding(name, "unsupported", f"in a text{tokens}, {'; '.join(wrong)}", remedy, needed=False)


def examine_ends(said: Sequence[Said], chat: ChatFormat, ends: Mapping[int, Sequence[str]]) -> Finding:
    """Whether completions end with a token that ends them."""
    ended = [one.ids[-1] for one in said if one.ended == "stop" and one.ids]
    if not ended:
        seen = sum(one.ended == "stop" for one in said)
        what = (
            f"completions ended ({seen}), and nothing shows with which token"
            if seen
            else "no completion ended within the limit"
        )
        return Finding("stop", "unsupported", what, needed=False)
    shown = ", ".join(f"{token} {chat.tokenizer.convert_ids_to_tokens(token)!r}" for token in sorted(set(ended)))
    if set(ended) <= ends.keys():
        return Finding("stop", "exact", f"completions end with {shown}")
    remedy = "name the token in generation_config.json, or look for a stop string of the server's"
    return Finding("stop", "inexact", f"completions end with {shown}, which is not an end token", remedy, needed=False)


def _written(one: Said, ends: Mapping[int, Sequence[str]]) -> tuple[int, ...]:
    """The ids of a text, without the end token."""
    assert one.ids is not None
    return one.ids[:-1] if one.ended == "stop" and one.ids and one.ids[-1] in ends else one.ids


def _decode(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], *, skip: bool) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=skip, clean_up_tokenization_spaces=False))
