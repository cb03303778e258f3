"""The card: what the Hub's clients make of its metadata, and a reader of its text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard, DatasetCardData
from markdown_it import MarkdownIt
from support.factories import SPEC, make_question, write_jsonl, write_small_benchmark

from offtraj.dataset.manifest import read_manifest
from offtraj.errors import DataError, SpecError
from offtraj.hub.card import render_card
from offtraj.spec import load_spec

Run = Callable[..., subprocess.CompletedProcess[str]]

HOSTILE = (
    "```\n\n---\nlicense: mit\n---\n\n# Buy now\n\n| a | b |\n| --- | --- |\n\n"
    "<script>alert(1)</script></details> ````` {{ spec }} {% raw %} <!-- `tick` $x$ [here](javascript:1)\n~~~\n"
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_small_benchmark(tmp_path)


@pytest.fixture
def built(spec: Path, offtraj: Run, tmp_path: Path) -> Path:
    return build(spec, offtraj, tmp_path)


def build(spec: Path, offtraj: Run, folder: Path, *arguments: str) -> Path:
    done = offtraj("build", spec, *arguments)
    assert done.returncode == 0, done.stderr
    return folder / "data" / "small-1.0.0"


def rendered(folder: Path) -> str:
    """The card, rendered from what lies in a folder."""
    return render_card(load_spec(folder / "spec.yaml"), read_manifest(folder), folder)


def text_of(folder: Path) -> str:
    return (folder / "README.md").read_text()


def blocks(card: str, language: str) -> list[str]:
    """The code blocks of a language."""
    tokens = MarkdownIt("commonmark").parse(card)
    return [token.content for token in tokens if token.type == "fence" and token.info == language]


def test_the_metadata_is_what_the_hub_reads(built: Path) -> None:
    data = DatasetCard.load(built / "README.md").data
    assert isinstance(data, DatasetCardData)
    assert (data.language, data.annotations_creators, data.size_categories) == (["en"], ["machine-generated"], ["n<1K"])
    assert (data.pretty_name, data.source_datasets) == ("small 1.0.0", ["extended|other-sums"])
    assert data.task_categories == ["text-generation", "question-answering"]
    assert {"offtraj", "math", "recoverability", "guidability"} <= set(data["tags"])
    assert data.license is None  # nobody said one
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == ["recoverability--weak"]


def test_every_configuration_says_its_features_and_sizes(built: Path, tmp_path: Path) -> None:
    manifest = read_manifest(built)
    card = DatasetCard.load(built / "README.md").data
    said = {info["config_name"]: info for info in card.dataset_info}
    assert said.keys() == {entry.config for entry in manifest.files}
    for entry in manifest.files:
        builder = datasets.load_dataset_builder(str(built), entry.config, cache_dir=str(tmp_path / "cache"))
        features = datasets.Features.from_arrow_schema(pq.read_schema(built / entry.path))
        assert builder.info.features == features
        (split,) = builder.info.splits.values()
        assert split.num_examples == entry.rows
        assert split.num_bytes == entry.num_bytes == builder.info.dataset_size
        assert builder.info.download_size == entry.bytes == (built / entry.path).stat().st_size
        assert said[entry.config]["dataset_size"] == entry.num_bytes
        loaded = datasets.load_dataset(str(built), entry.config, split=split.name, cache_dir=str(tmp_path / "cache"))
        assert abs(loaded.data.nbytes - entry.num_bytes) <= 0.05 * entry.num_bytes  # batches, and one table


def test_a_published_set_says_its_licence_and_its_revision(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    spec.write_text(
        SPEC.replace("file: questions.jsonl}", "file: questions.jsonl}, license: 'MIT | theirs'")
        + "publish: {repo: org/small, license: cc-by-4.0}\n"
    )
    card = text_of(build(spec, offtraj, tmp_path))
    assert DatasetCard(card).data["license"] == "cc-by-4.0"
    assert 'revision="v1.0.0"' in blocks(card, "python")[0]
    assert "offtraj run org/small@v1.0.0 \\\n  --model ORG/MODEL --on weak" in blocks(card, "sh")[0]
    assert "offtraj check org/small@v1.0.0\n" in blocks(card, "sh")[1]
    assert r"| `sums` | 6 | `questions.jsonl` | MIT \| theirs |" in card


def test_the_card_follows_from_the_folder_wherever_it_lies(built: Path, tmp_path: Path) -> None:
    assert rendered(built) == text_of(built)
    copy = tmp_path / "somewhere" / "else"
    shutil.copytree(built, copy)
    (copy / "README.md").unlink()
    assert rendered(copy) == text_of(built)
    (copy / "recoverability--weak" / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"recoverability--weak/test-00000-of-00001.parquet: cannot be read"):
        rendered(copy)


def test_a_manifest_of_0_1_0_has_a_card(built: Path) -> None:
    manifest = json.loads((built / "offtraj.json").read_text())
    for file in manifest["files"]:
        del file["num_bytes"]
    (built / "offtraj.json").write_text(json.dumps(manifest))
    assert rendered(built).count("num_bytes: 0") == len(manifest["files"])


def test_its_numbers_are_those_of_the_files(built: Path) -> None:
    card, manifest = text_of(built), read_manifest(built)
    rows = {entry.config: entry.rows for entry in manifest.files}
    assert (
        f"| `weak` | {rows['recoverability--weak']} | {rows['guidability--weak']} | {rows['trajectories--weak']} |"
        in card
    )
    assert f"| `guide` | – | – | {rows['trajectories--guide']} |" in card
    cells: Counter[tuple[str, str, float]] = Counter()
    for path in built.glob("recoverability--*/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            cells.update((row["variant"], subset, round(row["position"], 6)) for subset in row["subsets"])
    for variant, subset in {key[:2] for key in cells}:
        numbers = [cells[variant, subset, position] for position in (0, 0.2, 0.4, 0.6, 0.8)]
        assert f"| `{variant}` | {subset} | {' | '.join(map(str, [*numbers, sum(numbers)]))} |" in card
    rates = manifest.models["weak"].solve_rates
    assert f"| `weak` | {' | '.join(str(rates.get(f'{k}/4', 0)) for k in range(5))} |" in card
    for count in manifest.counts:
        dropped = ", ".join(f"{reason.replace('_', ' ')}: {n}" for reason, n in count.dropped.items())
        named = f"| `{count.model}` | {count.variant or 'all'} | {count.subset or 'all'} | {count.of}"
        assert f"{named} | {count.kept} | {dropped} |" in card


def test_the_example_is_a_row_of_the_set(built: Path) -> None:
    card = text_of(built)
    rows = pq.read_table(built / "recoverability--weak").to_pylist()
    shown = card.partition("## An example of recoverability")[2].partition("## An example of guidability")[0]
    texts = blocks(shown, "text")
    assert len(texts) == 4  # the question and three segments
    assert "".join("".join(texts[1:]).split()) in {"".join(row["prefix"].split()) for row in rows}
    assert "**own**, by `weak`: solo sample" in shown
    assert "**transition**, put in between" in shown
    assert "**steer**, by `weak` on *another* question, `q" in shown


def test_what_it_says_to_run_runs(spec: Path, offtraj: Run, tmp_path: Path, qwen3: Path) -> None:
    spec.write_text(SPEC.replace("samples: 4}", "samples: 4, max_tokens: 400}"))
    card = text_of(build(spec, offtraj, tmp_path))
    (snippet,) = blocks(card, "python")
    loaded = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.startswith("What is ")
    run, report = blocks(card, "sh")[0].replace("\\\n", "").splitlines()
    done = offtraj(*run.replace("ORG/MODEL", str(qwen3)).split()[1:], "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert offtraj(*report.split()[1:]).returncode == 0


def test_hostile_text_cannot_break_out(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    plain = build(spec, offtraj, tmp_path)
    before = MarkdownIt("commonmark").enable("table").parse(DatasetCard(text_of(plain)).text)
    questions = [
        {"id": f"q{n}", "question": make_question(n).text + HOSTILE, "answer": make_question(n).gold} for n in range(6)
    ]
    for question in questions:
        question["id"] += "`|<b>\n# x"
    write_jsonl(tmp_path / "questions.jsonl", questions)
    traces = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    for trace in traces:
        trace["question_id"] += "`|<b>\n# x"
        trace["response"] = trace["response"].replace(" adds ", f" adds {HOSTILE} ")
    write_jsonl(tmp_path / "traces.jsonl", traces)
    shutil.rmtree(plain)
    folder = build(spec, offtraj, tmp_path)
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license is None
    assert "<script>" in card.text  # it is shown
    after = MarkdownIt("commonmark").enable("table").parse(card.text)
    kinds = [[token.type for token in tokens if token.type != "inline"] for tokens in (before, after)]
    assert kinds[0] == kinds[1]
    html = [token.content for token in after if token.type.startswith("html")]
    inline = [child for token in after for child in token.children or () if child.type.startswith("html")]
    assert not inline
    assert all(re.fullmatch(r"</?details>(\n<summary>[\w :,]+</summary>)?\n", block) for block in html)
    assert datasets.get_dataset_config_names(str(folder)) == [
        *dict.fromkeys(e.config for e in read_manifest(folder).files)
    ]


@pytest.mark.parametrize("test", ["recoverability", "guidability"])
def test_a_set_of_one_test_speaks_of_one_test(spec: Path, offtraj: Run, tmp_path: Path, test: str) -> None:
    card = DatasetCard(text_of(build(spec, offtraj, tmp_path, "--test", test))).text
    other = "guidability" if test == "recoverability" else "recoverability"
    assert f"of which this set holds **{test}**." in card
    assert f"## An example of {test}" in card
    assert f"{other}--" not in card
    assert f"### {other.title()}" not in card


def test_a_limited_build_says_so(spec: Path, offtraj: Run, tmp_path: Path) -> None:
    card = text_of(build(spec, offtraj, tmp_path, "--limit", "4"))
    assert "> **This build was limited to 4 questions of each benchmark**" in card
    assert "--limit 4" in blocks(card, "sh")[1]


def test_a_template_of_ones_own_is_filled_in(spec: Path, built: Path) -> None:
    spec.write_text(SPEC + "publish: {repo: org/small, card: card.md}\n")
    (spec.parent / "card.md").write_text(
        "---\n{{ metadata }}\n---\n{{ manifest.name }}: {{ rows.questions }} of {{ where | code }}"
    )
    card = render_card(load_spec(spec), read_manifest(built), built)
    assert card.endswith("---\nsmall: 6 of `org/small`\n")
    assert DatasetCard(card).data["configs"]
    (spec.parent / "card.md").write_text("{{ nonsense }}")
    with pytest.raises(SpecError, match="the template cannot be filled in: 'nonsense' is undefined"):
        render_card(load_spec(spec), read_manifest(built), built)
