"""Reading specs: what is refused, where, and with which remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import jsonschema
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from support.factories import SPEC, make_spec, write_small_benchmark

from offtraj.errors import SpecError
from offtraj.spec import PublishSpec, RecoverabilitySpec, Spec, json_schema, load_spec
from offtraj.spec.file import parse_spec

Value = TypeVar("Value", bound=BaseModel)

SPECS = Path(__file__).parents[3] / "specs"


def refused(text: str) -> list[str]:
    """The lines of the message with which a text is refused."""
    with pytest.raises(SpecError) as caught:
        parse_spec(text, Path("spec.yaml"))
    return str(caught.value).splitlines()


def changed(value: Value, **fields: object) -> Value:
    """A value with some of its fields changed."""
    return value.model_copy(update=fields)


def test_a_spec_is_read_with_its_defaults() -> None:
    spec = make_spec().spec
    assert spec.sampling.samples == 4
    assert (spec.sampling.temperature, spec.sampling.top_p, spec.sampling.max_tokens) == (0.6, 0.95, 32768)
    assert spec.tests.recoverability is not None
    assert spec.tests.recoverability.positions == (0.0, 0.2, 0.4, 0.6, 0.8)
    assert spec.tests.recoverability.transition == "Wait. Let me think"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  recoverability:", "  recoverabilty:", "14:3: tests.recoverabilty: unknown key 'recoverabilty': did you mean 'recoverability'?"),
        ("    distractors: 3", "    distractors: 3\n    positions: [0, 20]", "17:20: tests.recoverability.positions[1]: must be less than 1, got 20: it is a share, not a percentage: write 0.2"),
        ("    distractors: 3", "    ratio: 20", "16:5: tests.recoverability.ratio: must be less than or equal to 1, got 20: it is a share, not a percentage: write 0.2"),
        ("    distractors: 3", "    distractors: 0", "16:5: tests.recoverability.distractors: must be greater than or equal to 1, got 0"),
        ("    distractors: 3", '    distractors: "3"', "16:5: tests.recoverability.distractors: expected a whole number, got '3'"),
        ("    distractors: 3", "    positions: [0, 0]", "16:5: tests.recoverability.positions: 0.0 stands there twice"),
        ("    distractors: 3", "    subsets: []", "16:5: tests.recoverability.subsets: must not be empty"),
        ("    distractors: 3", "    positions: [.nan]", "16:17: tests.recoverability.positions[0]: expected a finite number, got nan"),
        ("cross-model]", "cross-modell]", "15:47: tests.recoverability.variants[2]: expected 'default', 'keep-first-paragraph' or 'cross-model', got 'cross-modell': did you mean 'cross-model'?"),
        ("    distractors: 3", "    cross_model: [nobody]", "16:19: tests.recoverability.cross_model[0]: unknown model 'nobody': expected one of weak, other, guide"),
        ("    distractors: 3", "    models: [weka]", "16:14: tests.recoverability.models[0]: unknown model 'weka': did you mean 'weak'?"),
        ("    distractors: 3", "    benchmarks: [sum]", "16:18: tests.recoverability.benchmarks[0]: unknown benchmark 'sum': did you mean 'sums'?"),
        ("kind: recorded", "kind: taped", "6:10: engines.tape.kind: expected one of 'transformers', 'vllm', 'openai', 'recorded', got 'taped'"),
        ("{kind: recorded, files", "{files", "6:3: engines.tape: the key 'kind' is missing"),
        ("files: [traces.jsonl]", "files: []", "6:26: engines.tape.files: must not be empty"),
        ("{file: questions.jsonl}", "{path: x}", "4:16: benchmarks[0].source: expected a source: {hub: ORG/NAME, revision: COMMIT, split: NAME} or {file: PATH}, got {'path': 'x'}"),
        ("{file: questions.jsonl}", "{hub: a/b}", "4:16: benchmarks[0].source: the key 'revision' is missing"),
        ("version: 1.0.0", "version: 1.0", "2:1: version: expected text, got 1.0"),
        ("version: 1.0.0", "version: one", r"2:1: version: 'one' does not have the form ^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$: a version such as 1.0.0"),
        ("id: weak, engine: tape", "id: weak, engine: tap", "8:16: models[0].engine: unknown engine 'tap': did you mean 'tape'?"),
        ("id: other", "id: Weak", "9:6: models[1].id: 'Weak' is taken: ids must differ in more than case"),
        ("id: guide", "id: weak", "11:6: guides[0].id: 'weak' is also a model, and the two entries differ: make them equal, or rename one"),
        ("id: other", "id: ../other", "9:6: models[1].id: '../other' does not have the form"),
        ("recorded_as: Weak, ", "path: some/model, ", "8:5: models[0]: 'weak' is recorded: `recorded_as` must give its name in the recording"),
        ("recorded_as: Weak, ", "", "8:5: models[0]: needs `path`"),
        (", recorded_as: Weak, tokenizer: words", ", recorded_as: Weak", "8:5: models[0]: needs `tokenizer` when there is no `path`"),
        ("guides:\n  - {id: guide, engine: tape, recorded_as: Guide, tokenizer: words}\n", "", "16:3: tests.guidability: needs a guide: add `guides` to the spec"),
        ("name: small", "name: small\nprompt: no place", "2:1: prompt: 'no place' must contain {question} exactly once"),
        ("name: small", "name: small\ntolerance: 5", "2:1: tolerance: must be less than or equal to 1, got 5: it is a share, not a percentage: write 0.05"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place_and_remedy(old: str, new: str, line: str) -> None:
    assert old in SPEC
    lines = refused(SPEC.replace(old, new, 1))
    assert any(found.startswith(f"spec.yaml:{line}") for found in lines), lines


def test_every_problem_is_shown_at_once() -> None:
    text = (
        SPEC.replace("name: small", "nme: small")
        .replace("samples: 4", "samples: 0")
        .replace("kind: recorded", "kind: x")
    )
    assert len(refused(text)) == 4  # nme is unknown and name is missing


def test_a_test_without_other_models_cannot_be_distracted_by_them() -> None:
    text = SPEC.replace("  - {id: other, engine: tape, recorded_as: Other, tokenizer: words}\n", "")
    assert "cross-model: no other model can distract 'weak'" in refused(text)[0]


def test_names_for_a_variant_that_is_not_asked_for_are_refused() -> None:
    text = SPEC.replace(", cross-model]", "]").replace("    distractors: 3", "    cross_model: [other]")
    assert "has no effect without the variant `cross-model`" in refused(text)[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\nname: b\n", 'spec.yaml:2:1: the key "name" is given twice'),
        ("name: [a\n", "spec.yaml:2:1: malformed YAML"),
        ("name: a\n\tversion: b\n", "spec.yaml:2:1: malformed YAML"),
        ("- a\n", "spec.yaml:1:1: expected a mapping"),
        ("", "spec.yaml:1:1: expected a mapping"),
        ("name: !!python/object:os.system x\n", "spec.yaml:1:1: the tag"),
        ("name: !mine x\n", "spec.yaml:1:1: the tag '!mine': a spec holds plain data only"),
        ("1: a\n", "spec.yaml:1:1: the key 1: expected text"),
    ],
)
def test_yaml_that_is_none_of_ours_is_refused(text: str, line: str) -> None:
    assert refused(text)[0].startswith(line)


def test_yaml_1_2_is_read() -> None:
    text = SPEC.replace("name: small", "name: no\ndescription: on")
    spec = parse_spec(text, Path("spec.yaml")).spec
    assert (spec.name, spec.description) == ("no", "on")


def test_anchors_and_merge_keys_are_plain_data() -> None:
    text = SPEC.replace(
        "  - {id: weak, engine: tape, recorded_as: Weak, tokenizer: words}",
        "  - &base {id: weak, engine: tape, recorded_as: Weak, tokenizer: words}\n  - {<<: *base, id: third}",
    )
    spec = parse_spec(text, Path("spec.yaml")).spec
    assert [model.id for model in spec.models] == ["weak", "third", "other"]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path)


def test_paths_start_at_the_specs_folder_and_take_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "questions.jsonl").write_text("{}")
    (tmp_path / "traces.jsonl").write_text("{}")
    text = SPEC.replace("questions.jsonl", '"${WHERE}/questions.jsonl"').replace(
        "traces.jsonl", '"${NOWHERE:-.}/traces.jsonl"'
    )
    file = parse_spec(text, tmp_path / "spec.yaml")
    monkeypatch.delenv("WHERE", raising=False)
    with pytest.raises(
        SpecError, match=r"spec.yaml:4:25: .*needs the environment variable WHERE, which is not set: export WHERE="
    ):
        file.check_paths()
    monkeypatch.setenv("WHERE", str(tmp_path))
    file.check_paths()
    monkeypatch.setenv("WHERE", "elsewhere")
    with pytest.raises(SpecError, match=r"spec.yaml:4:25: .*there is no file"):
        file.check_paths()


def test_a_models_path_is_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    file = make_spec(folder=tmp_path)
    (tmp_path / "model").mkdir()
    assert file.model_path("model") == str(tmp_path / "model")
    assert file.model_path("Qwen/Qwen3-1.7B") == "Qwen/Qwen3-1.7B"
    with pytest.raises(SpecError, match="there is no folder"):
        file.model_path("./nothing")


def test_the_digest_knows_values_only() -> None:
    assert make_spec().digest == make_spec("# a comment\n" + SPEC).digest
    assert make_spec().digest != make_spec(SPEC.replace("samples: 4", "samples: 5")).digest


def test_specs_are_frozen() -> None:
    spec = make_spec().spec
    with pytest.raises(Exception, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


def test_every_field_is_documented() -> None:
    schema = Spec.model_json_schema()
    for name, definition in [("Spec", schema), *schema["$defs"].items()]:
        for key, field in definition.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"


def test_the_schema_beside_the_specs_is_the_current_one() -> None:
    assert json.loads((SPECS / "spec.schema.json").read_text()) == json_schema(), "run `make schema`"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_projects_specs_are_valid_by_model_and_by_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=spec.schema.json\n")
    assert load_spec(path).spec.name == path.stem
    plain = json.loads(json.dumps(YAML(typ="safe", pure=True).load(path.read_text())))
    jsonschema.validate(plain, json_schema())


def test_the_ablations_differ_from_the_main_spec_in_what_they_say_and_in_nothing_else() -> None:
    main = load_spec(SPECS / "math.yaml").spec
    assert main.tests.recoverability is not None
    assert main.tests.guidability is not None
    publish = {"repo": "offtraj/offtraj-math-ablations", "license": "other"}
    recoverability = {
        "variants": ("keep-first-paragraph", "cross-model"),
        "cross_model": ("deepmath-1.5b", "qwen3-1.7b", "openthinker3-7b", "r1-qwen-32b", "qwen3-32b"),
    }
    guidability = {
        "models": None,
        "subsets": ("individual",),
        "variants": ("default", "solvable", "answer-forcing"),
    }
    assert load_spec(SPECS / "math-ablations.yaml").spec == changed(
        main,
        name="math-ablations",
        description="Ablations of the twin tests on five math benchmarks",
        tests=changed(
            main.tests,
            recoverability=changed(main.tests.recoverability, **recoverability),
            guidability=changed(main.tests.guidability, **guidability),
        ),
        publish=PublishSpec.model_validate(publish),
    )


def test_the_spec_with_longer_distractors_has_no_guides_and_one_test() -> None:
    main = load_spec(SPECS / "math.yaml").spec
    assert main.tests.recoverability is not None
    found = load_spec(SPECS / "math-ratio-0.4.yaml").spec
    longer = {"positions": (0.0, 0.2, 0.4, 0.6), "ratio": 0.4, "subsets": ("individual",)}
    assert found == changed(
        main,
        name="math-ratio-0.4",
        description="Recoverability from longer distractors on five math benchmarks",
        engines={name: engine for name, engine in main.engines.items() if name != "huge"},
        guides=(),
        tests=changed(main.tests, recoverability=changed(main.tests.recoverability, **longer), guidability=None),
        publish=PublishSpec(repo="offtraj/offtraj-math-ratio-0.4"),
    )


def test_the_main_specs_models_are_grouped_as_in_the_paper() -> None:
    spec = load_spec(SPECS / "math.yaml").spec
    tiers = [(model.id, model.tier) for model in spec.models]
    assert [sum(tier == name for _, tier in tiers) for name in ("low", "medium", "high")] == [6, 4, 5]
    assert all(model.family for model in spec.participants)
    assert spec.tests.guidability is not None
    assert [model for model, tier in tiers if tier != "high"] == list(spec.tests.guidability.models or ())


def test_family_and_tier_do_not_change_the_digest() -> None:
    described = SPEC.replace("id: weak,", "id: weak, family: small, tier: low,")
    assert make_spec(described).spec.models[0].tier == "low"
    assert make_spec(described).digest == make_spec().digest


def test_a_renamed_key_is_read_said_and_changes_no_digest() -> None:
    server = "  tape: {kind: recorded, files: [traces.jsonl]}\n  api: {kind: openai, base_url: u, KEY: 5.0}\n"
    text = SPEC.replace("  tape: {kind: recorded, files: [traces.jsonl]}\n", server)
    old, new = make_spec(text, KEY="patience"), make_spec(text, KEY="max_wait")
    assert old.notes == ("spec.yaml:7:36: the key 'patience' is deprecated: write 'max_wait'",)
    assert new.notes == ()
    assert old.spec == new.spec
    # Of the spec with `patience`, by the version that knew nothing else.
    assert old.digest == new.digest == "f365106aeaed0cd58b55484e130be074daeaed80b13e6b9524adf67127cafd65"
    assert refused(text.replace("KEY: 5.0", "patience: 5.0, max_wait: 6.0"))[0].startswith(
        "spec.yaml:7:36: engines.api.patience: unknown key 'patience'"
    )


def test_the_main_spec_is_the_papers() -> None:
    spec = load_spec(SPECS / "math.yaml").spec
    assert (len(spec.benchmarks), len(spec.models), len(spec.guides)) == (5, 15, 3)
    assert spec.tests.recoverability == RecoverabilitySpec()
    assert spec.tests.guidability is not None
    assert len(spec.models_of(spec.tests.guidability)) == 10
    assert spec.tests.guidability.ratios == (0.2, 0.4, 0.6, 0.8)
    assert len(spec.participants) == 17  # QwQ-32B is a model and a guide


def test_a_home_of_an_unknown_user_is_said_with_its_place(tmp_path: Path) -> None:
    path = write_small_benchmark(tmp_path)
    path.write_text(path.read_text().replace("questions.jsonl", "~no-such-user/questions.jsonl"))
    with pytest.raises(SpecError, match=r"spec.yaml:4:25: .*'~no-such-user/questions.jsonl'.*home"):
        load_spec(path).check_paths()
