"""The checks of a model's template and tokenizer, without weights or server."""

from __future__ import annotations

from collections.abc import Iterator

from offtraj.doctor.finding import Finding
from offtraj.errors import EngineError
from offtraj.model.encoding import difference
from offtraj.model.prompt import ChatFormat, find_delimiters
from offtraj.model.trajectory import NONE, THINK, THOUGHT, Delimiters

__all__ = ["CLOSING", "QUESTION", "examine_template", "found_delimiters", "probes", "stated"]

CLOSING = "closing delimiter"
QUESTION = "What is 2 + 3?"
_SYSTEM = "Speak of nothing else."


def probes(delimiters: Delimiters) -> dict[str, str]:
    """Prefixes that are often changed on their way, by kind."""
    kinds = {
        "plain text": "So it is 5.",
        "trailing spaces": "So it is 5.  ",
        "trailing newlines": "So it is 5.\n\n",
        "newlines first": "\n\nSo it is 5.",
        "Chinese": "嗯，我现在要解决这个问题。",
        "emoji": "Five 🙂 of five 👩\u200d🔬",
        "LaTeX": "So \\(\\frac{1}{2}\\) of $10$ is \\[5.\\]",
        "decomposed characters": "r_i\u0304 and \u212b",
    }
    return kinds | ({CLOSING: f"So it is 5.\n{delimiters.close}\n\nIt is"} if delimiters.close else {})


def examine_template(chat: ChatFormat, think: Delimiters | None, *, mode: str) -> Iterator[Finding]:
    """Findings that need the tokenizer only.

    Args:
        chat: The model's format, with the delimiters that are used, or `NONE`.
        think: The delimiters that the spec states, if any.
        mode: The spec's prompt mode.
    """
    try:
        rendered = chat.generation_prompt(QUESTION)
    except EngineError as error:
        yield Finding(
            "template", "unsupported", str(error), "repair its chat_template, or take another revision", ends=True
        )
        return
    yield Finding(
        "template", "exact", f"renders, and ends with {rendered[rendered.rfind(QUESTION) + len(QUESTION) :]!r}"
    )
    yield _thinking(chat, rendered, think)
    yield _system_prompt(chat, rendered)
    yield _bos(chat, rendered, mode=mode)
    yield (round_trip := _round_trip(chat))
    if round_trip.ends:
        return
    yield _normal_form(chat, mode=mode)
    yield _question(chat)


def _thinking(chat: ChatFormat, rendered: str, think: Delimiters | None) -> Finding:
    """Whether template or model opens the thinking, with which delimiter, and how that is known."""
    ending = rendered.rstrip("\n")
    opened = next(
        (one for one in (think, THINK, THOUGHT) if one and one.open and ending.endswith(one.open.rstrip("\n"))), None
    )
    used = think or found_delimiters(chat)
    if used is None:
        remedy = "state `think` in the spec: {open: …, close: …}, or `none` if it thinks and answers in one text"
        return Finding("thinking", "unsupported", "neither its template nor its tokens show delimiters", remedy)
    if used.close and ending.endswith(used.close):
        what = f"the template ends the thinking before the model writes anything: {rendered[-40:]!r}"
        return Finding("thinking", "unsupported", what, "take a template that leaves thinking on by default")
    if opened is not None and opened != used:
        what = f"the template opens it with {opened.open!r}, and the spec states {stated(used)}"
        return Finding("thinking", "inexact", what, "leave `think` out of the spec, or state what the template opens")
    if used == NONE:
        return Finding("thinking", "exact", "no delimiters, as the spec states")
    who = "the template opens it" if opened else "the model opens it itself"
    how = "as the spec states" if think else f"found in {_where(chat, rendered, used)}"
    return Finding("thinking", "exact", f"{who}: {stated(used)}, {how}")


def found_delimiters(chat: ChatFormat) -> Delimiters | None:
    """The delimiters that a run would find; `None` where there are none."""
    try:
        return find_delimiters(chat.tokenizer, chat.generation_prompt(QUESTION), "")
    except EngineError:
        return None


def _where(chat: ChatFormat, rendered: str, used: Delimiters) -> str:
    tag = used.open.rstrip("\n")
    if tag in rendered:
        return "the generation prompt"
    template, tokens = str(chat.tokenizer.chat_template), chat.tokenizer.get_added_vocab()
    places = [
        *(["the template"] if tag in template or used.close in template else []),
        *(["the tokens"] if tag in tokens or used.close in tokens else []),
    ]
    return " and ".join(places)


def _system_prompt(chat: ChatFormat, rendered: str) -> Finding:
    """Whether the template adds a system prompt."""
    turns = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": QUESTION}]
    try:
        with_one = str(chat.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    except Exception:  # templates are programs and may raise any error
        return Finding("system prompt", "exact", "none, and the template takes none")
    before, there, after = with_one.partition(_SYSTEM)
    added = ""
    if there and rendered.startswith(before) and rendered.endswith(after):
        added = rendered[len(before) : len(rendered) - len(after)]
    if not added:
        return Finding("system prompt", "exact", "none")
    remedy = "it is kept, as other users of the model have it; the paper's models have none"
    return Finding("system prompt", "inexact", f"the template adds {added!r}", remedy, needed=False)


def _bos(chat: ChatFormat, rendered: str, *, mode: str) -> Finding:
    tokenizer = chat.tokenizer
    ours = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    theirs = tokenizer(rendered)["input_ids"]
    bos = tokenizer.bos_token_id
    once, twice = ours.count(bos), theirs.count(bos)
    if bos is None or not twice:
        what = (
            "none"
            if len(theirs) == len(ours)
            else f"none, but {len(theirs) - len(ours)} other special tokens are added"
        )
        return Finding(
            "BOS", "exact", f"{what}, neither in the template nor by the tokenizer" if what == "none" else what
        )
    name = repr(tokenizer.bos_token)
    if once > 1:
        return Finding("BOS", "inexact", f"{name} is {once} times in the template", "repair its chat_template")
    if once == twice:
        return Finding("BOS", "exact", f"{name} in the template, and none added by the tokenizer")
    if once:
        what = f"{name} in the template, and another one from the tokenizer: doubled in text with special tokens added"
    else:
        what = f"{name} added by the tokenizer only: rendered prompts have none"
    remedy = "a server must support `add_special_tokens: false`, or accept ids" if mode == "text" else ""
    return Finding("BOS", "exact", what, remedy)


def _round_trip(chat: ChatFormat) -> Finding:
    kinds = probes(chat.delimiters)
    for kind, prefix in kinds.items():
        try:
            chat.steered([(QUESTION, prefix)])
        except EngineError as error:
            return Finding(
                "round trip", "unsupported", f"{kind}: {error}", "take the model's own fast tokenizer", ends=True
            )
    return Finding("round trip", "exact", f"prompts decode to their text: {', '.join(kinds)}")


def _normal_form(chat: ChatFormat, *, mode: str) -> Finding:
    if not chat.normalizes:
        return Finding("normal form", "exact", "the tokenizer leaves characters as they are")
    what = "the tokenizer would compose characters (NFC): ids are made without that, but text that is sent is changed"
    if mode in ("text", "chat"):
        return Finding("normal form", "inexact", what, "send ids (`prompts: ids`), if the server accepts them")
    return Finding("normal form", "exact", what)


def _question(chat: ChatFormat) -> Finding:
    padded = f"  {QUESTION}\n\n"
    if padded in (rendered := chat.generation_prompt(padded)):
        return Finding("question", "exact", "is in the prompt unchanged")
    kept = rendered.replace(QUESTION, padded) if QUESTION in rendered else ""
    if not kept:
        return Finding("question", "inexact", f"is changed: {difference(padded, rendered)}", needed=False)
    remedy = "nothing to do: the prefix is not part of it"
    return Finding("question", "inexact", "white space around it is trimmed by the template", remedy, needed=False)


def stated(delimiters: Delimiters) -> str:
    """Delimiters as text for a finding."""
    return f"{delimiters.open!r} … {delimiters.close!r}" if delimiters.close else "none"
