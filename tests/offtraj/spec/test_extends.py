"""Extending a spec: what is merged, what still means the same, and what a foreign spec may not do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ruamel.yaml import YAML
from support.background import in_background, listening
from support.factories import SPEC, write_small_benchmark
from support.hub import Hub, serving_hub

from offtraj.dataset.folder import open_folder
from offtraj.errors import HubError, SpecError
from offtraj.spec import FileSource, HubSource, OpenAISpec, Spec, SpecFile, load_spec
from offtraj.spec.file import parse_spec

SPECS = Path(__file__).parents[3] / "specs"

PUBLISHED = (
    SPEC.replace("{file: questions.jsonl}", "{hub: org/sums, revision: abc}")
    .replace("{kind: recorded, files: [traces.jsonl]}", "{kind: openai, base_url: http://evil/v1, api_key_env: HOME}")
    .replace("recorded_as: Weak, tokenizer: words", "path: org/weak")
    .replace("recorded_as: Other, tokenizer: words", "path: org/other")
    .replace("recorded_as: Guide, tokenizer: words", "path: org/guide")
)
MINE = "engines:\n  tape: {kind: openai, base_url: http://127.0.0.1:9/v1}\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def extending(folder: Path, text: str, base: str = SPEC) -> SpecFile:
    """A spec that extends `base.yaml` of the same folder."""
    write(folder / "base.yaml", base)
    return load_spec(write(folder / "mine.yaml", f"extends: base.yaml\n{text}"))


def refused(load: Callable[[], object]) -> str:
    with pytest.raises(SpecError) as caught:
        load()
    return str(caught.value)


def test_a_spec_that_says_nothing_more_is_the_one_that_it_extends(tmp_path: Path) -> None:
    file = extending(tmp_path, "")
    assert file.spec == load_spec(tmp_path / "base.yaml").spec
    assert file.digest == load_spec(tmp_path / "base.yaml").digest


def test_mappings_are_merged_and_other_values_replaced(tmp_path: Path) -> None:
    spec = extending(
        tmp_path,
        "name: mine\nsampling: {temperature: 1.0}\ntests: {recoverability: {variants: [default], positions: [0.5]}}\n",
    ).spec
    assert (spec.name, spec.version) == ("mine", "1.0.0")
    assert (spec.sampling.samples, spec.sampling.temperature) == (4, 1.0)
    assert spec.tests.recoverability is not None
    assert spec.tests.recoverability.variants == ("default",)
    assert spec.tests.recoverability.positions == (0.5,)
    assert spec.tests.recoverability.distractors == 3
    assert spec.tests.guidability is not None


def test_lists_of_entries_with_an_id_are_merged_by_id_in_the_bases_order(tmp_path: Path) -> None:
    models = (
        "models:\n  - {id: new, engine: tape, path: a/b, recorded_as: New}\n  - {id: other, recorded_as: Another}\n"
    )
    spec = extending(tmp_path, models).spec
    assert [model.id for model in spec.models] == ["weak", "other", "new"]
    assert (spec.models[1].recorded_as, spec.models[1].tokenizer) == ("Another", "words")


def test_null_removes_a_key_so_that_its_default_holds(tmp_path: Path) -> None:
    spec = extending(tmp_path, "sampling: null\ntests: {guidability: null}\nguides: null\n").spec
    assert spec.sampling.samples == 8
    assert spec.tests.guidability is None
    assert spec.guides == ()


def test_null_stays_a_value_where_it_numbers_the_questions(tmp_path: Path) -> None:
    base = SPEC.replace("{file: questions.jsonl}}", "{file: questions.jsonl}, columns: {id: key, answer: gold}}")
    columns = extending(tmp_path, "benchmarks: [{id: sums, columns: {id: null}}]\n", base).spec.benchmarks[0].columns
    assert (columns.id, columns.answer) == (None, "gold")


def test_an_engine_of_another_kind_and_a_source_of_another_kind_replace_the_old_one(tmp_path: Path) -> None:
    spec = extending(
        tmp_path,
        "engines: {tape: {kind: openai, base_url: u}}\n"
        "benchmarks: [{id: sums, source: {hub: org/sums, revision: abc}}]\n",
        PUBLISHED.replace("{hub: org/sums, revision: abc}", "{file: questions.jsonl}").replace(
            "{kind: openai, base_url: http://evil/v1, api_key_env: HOME}", "{kind: vllm, tensor_parallel: 2}"
        ),
    ).spec
    assert spec.engines == {"tape": OpenAISpec(kind="openai", base_url="u")}
    assert spec.benchmarks[0].source == HubSource(hub="org/sums", revision="abc")


def test_a_chain_is_followed_and_relative_names_start_at_the_file_that_says_them(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "base.yaml", SPEC)
    write(tmp_path / "a" / "middle.yaml", "extends: b/base.yaml\nname: middle\nseed: 7\n")
    spec = load_spec(write(tmp_path / "c" / "mine.yaml", "extends: ../a/middle.yaml\nname: mine\n")).spec
    assert (spec.name, spec.seed, spec.version) == ("mine", 7, "1.0.0")


def test_the_base_may_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY", str(write(tmp_path / "library" / "base.yaml", SPEC).parent))
    assert load_spec(write(tmp_path / "mine.yaml", 'extends: "${LIBRARY}/base.yaml"\n')).spec.name == "small"


@pytest.mark.parametrize(
    ("text", "base", "found"),
    [
        ("sampling: {samples: 0}\n", SPEC, "mine.yaml:2:12: sampling.samples: must be greater"),
        ("name: mine\n", SPEC.replace("samples: 4", "samples: 0"), "base.yaml:12:12: sampling.samples: must be greater"),
        ("models: [{id: new, engine: tap, path: a/b}]\n", SPEC, "mine.yaml:2:20: models[2].engine: unknown engine 'tap'"),
        ("guides: null\n", SPEC, "base.yaml:18:3: tests.guidability: needs a guide"),
        ("version: null\n", SPEC, "mine.yaml:1:1: the key 'version' is missing"),
        ("nme: mine\n", SPEC, "mine.yaml:2:1: nme: unknown key 'nme': did you mean 'name'?"),
        ("models: [{id: a, engine: tape, path: a/b}, {id: a, engine: tape, path: a/b}]\n", SPEC, "mine.yaml:2:45: models[3].id: 'a' is taken"),
        ("", "name: [\n", "base.yaml:2:1: malformed YAML"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_that_says_the_value(tmp_path: Path, text: str, base: str, found: str) -> None:
    message = refused(lambda: extending(tmp_path, text, base))
    assert any(line.startswith(f"{tmp_path}/{found}") for line in message.splitlines()), message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: a\nextends: base.yaml\n", "mine.yaml:2:1: extends: must be the first key"),
        ("extends: [base.yaml]\n", "mine.yaml:1:1: extends: expected a path, an https URL, or hf://"),
        ("extends: none.yaml\n", "mine.yaml:1:1: extends: {folder}/none.yaml: no such file"),
        ("extends: mine.yaml\n", "mine.yaml:1:1: extends: 'mine.yaml' extends itself: {folder}/mine.yaml → {folder}/mine.yaml"),
        ("extends: http://example.org/spec.yaml\n", "mine.yaml:1:1: extends: 'http://example.org/spec.yaml': expected an https URL"),
        ("extends: https://me:secret@example.org/spec.yaml\n", "mine.yaml:1:1: extends: 'https://me:secret@example.org/spec.yaml': a user and password"),
        ("extends: file:///etc/passwd\n", "mine.yaml:1:1: extends: 'file:///etc/passwd': expected a path, an https URL, or hf://"),
        ("extends: hf://org/set/spec.yaml\n", "mine.yaml:1:1: extends: 'hf://org/set/spec.yaml': pin the revision: expected hf://org/set@REVISION/spec.yaml"),
        ("extends: hf://org/set@main/spec.yaml\n", "mine.yaml:1:1: extends: 'hf://org/set@main/spec.yaml': pin the revision"),
        ("extends: ~no-such-user/base.yaml\n", "mine.yaml:1:1: extends: '~no-such-user/base.yaml': Could not determine home"),
        ('extends: "base\\0.yaml"\n', "mine.yaml:1:1: extends: 'base\\x00.yaml': a path has no NUL character"),
        ("extends: https://127.0.0.1:1/a b.yaml\n", "mine.yaml:1:1: extends: https://127.0.0.1:1/a b.yaml: cannot be fetched: URL can't contain"),
        ("extends: hf://set\n", "mine.yaml:1:1: extends: 'hf://set': expected hf://ORG/NAME@REVISION/spec.yaml"),
    ],
)  # fmt: skip
def test_an_extends_that_cannot_be_followed_says_why(tmp_path: Path, text: str, found: str) -> None:
    message = refused(lambda: load_spec(write(tmp_path / "mine.yaml", text)))
    assert message.startswith(f"{tmp_path}/{found.format(folder=tmp_path)}"), message


def test_a_chain_of_eight_is_followed_and_a_longer_one_refused(tmp_path: Path) -> None:
    write(tmp_path / "0.yaml", SPEC)
    for number in range(1, 10):
        write(tmp_path / f"{number}.yaml", f"extends: {number - 1}.yaml\n")
    assert load_spec(tmp_path / "8.yaml").spec.name == "small"
    assert "1.yaml:1:1: extends: '0.yaml' is more than 8 specs deep" in refused(lambda: load_spec(tmp_path / "9.yaml"))


def test_a_circle_over_several_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "extends: b.yaml\n")
    write(tmp_path / "b.yaml", "extends: ./a.yaml\n")
    assert "b.yaml:1:1: extends: './a.yaml' extends itself" in refused(lambda: load_spec(tmp_path / "a.yaml"))


def test_relative_paths_of_a_base_in_another_folder_mean_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACES", raising=False)
    library = tmp_path / "library" / "deep"
    write(library / "questions.jsonl", "{}")
    write(library / "here" / "traces.jsonl", "{}")
    write(library / "card.j2", "")
    (library / "folder").mkdir()
    text = SPEC.replace("traces.jsonl", '"${TRACES:-here}/traces.jsonl"').replace(
        "models:\n", "models:\n  - {id: local, engine: tape, recorded_as: L, path: folder}\n"
        "  - {id: remote, engine: tape, recorded_as: R, path: org/name}\n"
    )  # fmt: skip
    write(library / "base.yaml", text + "publish: {repo: a/b, card: card.j2}\n")
    file = load_spec(write(tmp_path / "own" / "mine.yaml", "extends: ../library/deep/base.yaml\n"))
    file.check_paths()
    source = file.spec.benchmarks[0].source
    assert isinstance(source, FileSource)
    assert file.file(source.file).resolve() == library / "questions.jsonl"
    assert [model.path for model in file.spec.models[:2]] == ["../library/deep/folder", "org/name"]
    assert file.model_path("../library/deep/folder") == str(library / "folder")
    assert str(tmp_path) not in file.text
    monkeypatch.setenv("TRACES", str(library / "here"))
    file.check_paths()


def test_the_resolved_text_loads_by_itself_as_the_same_spec(tmp_path: Path) -> None:
    base = SPEC.replace("name: small", 'name: small\ndescription: "on: a # colon,\\n and \\"quotes\\" — ü"')
    file = extending(tmp_path, "seed: 7\nprompt: 'no {question}'\n", base)
    alone = parse_spec(file.text, tmp_path / "spec.yaml", follow=False)
    assert alone.spec == file.spec
    assert alone.digest == file.digest
    assert extending(tmp_path, "seed: 7\nprompt: 'no {question}'\n", base).text == file.text


def test_a_spec_that_extends_nothing_keeps_its_text(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path / "spec.yaml", SPEC)).text == SPEC


def test_a_data_set_holds_the_resolved_spec(offtraj: Callable[..., Any], tmp_path: Path) -> None:
    base = write_small_benchmark(tmp_path)
    write(tmp_path / "mine.yaml", f"extends: {base.name}\nname: mine\n")
    done = offtraj("build", "mine.yaml", "--out", "set")
    assert done.returncode == 0, done.stderr
    assert "extends" not in YAML(typ="safe").load((tmp_path / "set" / "spec.yaml").read_text())
    data = open_folder(str(tmp_path / "set"))
    assert data.manifest.spec_sha256 == data.spec.digest == load_spec(tmp_path / "mine.yaml").digest
    done = offtraj("check", "set", "--spec", "mine.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_spec_of_a_data_set_may_not_extend_another(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", SPEC)
    path = write(tmp_path / "spec.yaml", "extends: base.yaml\n")
    message = refused(lambda: load_spec(path, follow=False))
    assert message.startswith(f"{path}:1:1: extends: the spec of a data set is complete")


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves texts by path on the loopback interface; gives the base URL."""
    open_ones = []

    @asynccontextmanager
    async def serving(texts: Mapping[str, object]) -> AsyncIterator[str]:
        async def answer(request: web.Request) -> web.StreamResponse:
            found = texts.get(request.path)
            if isinstance(found, web.HTTPException):
                raise found
            return web.Response(text=str(found)) if found is not None else web.Response(status=404)

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with listening(app) as address:
            yield address

    def start(texts: Mapping[str, object]) -> str:
        context = in_background(lambda: serving(texts))
        open_ones.append(context)
        return context.__enter__()

    yield start
    for context in open_ones:
        context.__exit__(None, None, None)


def test_a_spec_at_a_url_is_extended_without_its_engines(serve: Callable[..., str], tmp_path: Path) -> None:
    url = serve({"/specs/base.yaml": PUBLISHED + "publish: {repo: org/set, card: /etc/passwd}\n"})
    file = load_spec(write(tmp_path / "mine.yaml", f"extends: {url}/specs/base.yaml?key=secret\n{MINE}"))
    assert file.spec.engines == {"tape": OpenAISpec(kind="openai", base_url="http://127.0.0.1:9/v1")}
    assert file.spec.publish is None
    assert [model.path for model in file.spec.participants] == ["org/weak", "org/other", "org/guide"]
    assert file.notes == (
        f"{tmp_path}/mine.yaml: `engines` and `publish` of {url}/specs/base.yaml not taken: say your own",
    )
    assert "evil" not in file.text
    assert "secret" not in file.text


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("{hub: org/sums, revision: abc}", "{file: /etc/passwd}", "4:25: benchmarks[0].source.file: the local path '/etc/passwd' is not taken from a spec from a URL or the Hub: say `file` in "),
        ("path: org/weak", "path: ./weights", "8:30: models[0].path: the local folder './weights' is not taken"),
        ("path: org/weak", "path: taken", "8:30: models[0].path: the local folder 'taken' is not taken"),
        ("path: org/weak", 'path: "org/${HOME}"', "8:30: models[0].path: the variable in 'org/${HOME}' is not taken"),
        ("path: org/weak", "path: org/weak, tokenizer: ~/t", "8:46: models[0].tokenizer: the local folder '~/t' is not taken"),
        ("sampling:", "judge: {model: j, engine: tape}\nsampling:", "12:19: judge.engine: the judge's engine is not taken from a spec from a URL or the Hub: say `engine` in "),
        ("engine: tape, path: org/weak", "engine: gpu, path: org/weak", "8:16: models[0].engine: unknown engine 'gpu': expected one of tape; engines are not taken from"),
    ],
)  # fmt: skip
def test_what_a_foreign_spec_would_make_this_machine_do_is_refused(
    serve: Callable[..., str], tmp_path: Path, old: str, new: str, found: str
) -> None:
    assert old in PUBLISHED
    url = serve({"/base.yaml": PUBLISHED.replace(old, new)})
    (tmp_path / "taken").mkdir()
    path = write(tmp_path / "mine.yaml", f"extends: {url}/base.yaml\n{MINE}")
    assert refused(lambda: load_spec(path)).startswith(f"{url}/base.yaml:{found}")


def test_what_is_withheld_can_be_said_by_the_extending_spec(serve: Callable[..., str], tmp_path: Path) -> None:
    text = PUBLISHED.replace("{hub: org/sums, revision: abc}", "{file: theirs.jsonl}").replace(
        "sampling:", "judge: {model: j, engine: tape}\nsampling:"
    )
    url = serve({"/base.yaml": text})
    own = "benchmarks: [{id: sums, source: {file: mine.jsonl}}]\njudge: {engine: tape}\n"
    spec = load_spec(write(tmp_path / "mine.yaml", f"extends: {url}/base.yaml\n{MINE}{own}")).spec
    assert spec.benchmarks[0].source == FileSource(file="mine.jsonl")
    assert spec.judge is not None
    none = write(tmp_path / "none.yaml", "extends: mine.yaml\njudge: null\n")
    assert load_spec(none).spec.judge is None


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("../secret.yaml", "may extend files beside it only"),
        ("/etc/passwd", "may extend files beside it only"),
        ("https://example.org/other.yaml", "may not name another host"),
        ("hf://org/set@v1/spec.yaml", "may extend files of the same origin only"),
        ("'${HOME}.yaml'", "may not read variables"),
    ],
)
def test_a_foreign_spec_may_extend_its_neighbours_and_nothing_else(
    serve: Callable[..., str], tmp_path: Path, reference: str, found: str
) -> None:
    url = serve(
        {"/d/base.yaml": f"extends: {reference}\n", "/d/near.yaml": "extends: more.yaml\n", "/d/more.yaml": PUBLISHED}
    )
    message = refused(lambda: load_spec(write(tmp_path / "mine.yaml", f"extends: {url}/d/base.yaml\n")))
    assert message.startswith(f"{url}/d/base.yaml:1:1: extends: ")
    assert found in message
    assert load_spec(write(tmp_path / "mine.yaml", f"extends: {url}/d/near.yaml\n{MINE}")).spec.name == "small"


def test_a_url_is_read_within_limits(serve: Callable[..., str], tmp_path: Path) -> None:
    other = serve({"/base.yaml": PUBLISHED})
    url = serve(
        {
            "/large.yaml": "# " + "x" * 2**20,
            "/away.yaml": web.HTTPFound(f"{other}/base.yaml"),
            "/near.yaml": web.HTTPFound("/base.yaml"),
            "/base.yaml": PUBLISHED,
        }
    )

    def load(name: str) -> Spec:
        return load_spec(write(tmp_path / "mine.yaml", f"extends: {url}/{name}\n{MINE}")).spec

    assert "is larger than 1,048,576 bytes: not a spec" in refused(lambda: load("large.yaml"))
    assert "redirects to another host" in refused(lambda: load("away.yaml"))
    message = refused(lambda: load("none.yaml"))
    assert message.startswith(f"{tmp_path}/mine.yaml:1:1: extends: {url}/none.yaml: cannot be fetched: HTTP Error 404")
    assert load("near.yaml").name == "small"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("no http\r\n\r\n", "cannot be fetched: no http"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "bytes: try again"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "cannot be fetched: IncompleteRead"),
        ("HTTP/1.1 200 OK\r\n" + "A: b\r\n" * 200 + "\r\n", "cannot be fetched: got more than 100 headers"),
    ],
)
def test_a_broken_answer_of_a_server_is_never_half_a_spec(tmp_path: Path, answer: str, found: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answering() -> None:
            client, _ = server.accept()
            with client:
                client.recv(2**16)
                client.sendall((answer + PUBLISHED).encode())

        thread = threading.Thread(target=answering)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/base.yaml"
        message = refused(lambda: load_spec(write(tmp_path / "mine.yaml", f"extends: {url}\n{MINE}")))
        thread.join()
    assert message.startswith(f"{tmp_path}/mine.yaml:1:1: extends: {url}: ")
    assert found in message


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub with the main spec, as a published data set has it."""
    write(tmp_path / "published" / "spec.yaml", (SPECS / "math.yaml").read_text())
    with in_background(lambda: serving_hub({"datasets/offtraj/offtraj-math": tmp_path / "published"})) as served:
        yield served


def online(hub: Hub, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    return subprocess.run(
        [sys.executable, "-m", "offtraj", *arguments],
        cwd=folder,
        env={**environment, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FIVE_LINES = """\
extends: hf://offtraj/offtraj-math@v1.0.0/spec.yaml
name: math-and-mine
engines: {small: {kind: vllm}, large: {kind: vllm, tensor_parallel: 2}, huge: {kind: vllm, tensor_parallel: 8}}
models:
  - {id: mine, path: me/mine, engine: small}
"""


def test_a_published_spec_is_extended_by_one_model_in_five_lines(hub: Hub, tmp_path: Path) -> None:
    write(tmp_path / "mine.yaml", FIVE_LINES)
    done = online(hub, tmp_path, "validate", "mine.yaml")
    assert done.returncode == 0, done.stderr
    assert "math-and-mine 1.0.0, 5 benchmarks, 16 models, 3 guides" in done.stdout
    assert "`engines` and `publish` of hf://offtraj/offtraj-math@v1.0.0/spec.yaml not taken" in done.stderr
    plan = online(hub, tmp_path, "plan", "mine.yaml")
    assert plan.returncode == 0, plan.stderr
    assert "mine" in plan.stdout


def test_a_revision_or_file_that_the_hub_does_not_have_is_said(hub: Hub, tmp_path: Path) -> None:
    write(tmp_path / "mine.yaml", FIVE_LINES.replace("v1.0.0", "v9.0.0"))
    done = online(hub, tmp_path, "validate", "mine.yaml")
    assert done.returncode == HubError.exit_code
    assert (
        "offtraj: mine.yaml:1:1: extends: hf://offtraj/offtraj-math@v9.0.0/spec.yaml: cannot be fetched" in done.stderr
    )
