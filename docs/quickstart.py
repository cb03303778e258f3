"""The Python API in one sitting: a spec, its data set, a run, and its scores. No GPU and no network are needed.

Each `# %%` starts a cell in Jupyter, VS Code or PyCharm. Run it from the root of the repository:
`python docs/quickstart.py`. Lines that begin with `# >` show what was printed.
"""

# %%
from pathlib import Path

import offtraj as ot

pocket = Path("specs/quickstart").resolve()  # models of a million parameters, and word problems

# %% A spec says what is built and run. This one is small enough for a minute on a laptop.
Path("small.yaml").write_text(
    f"""
name: small
version: 1.0.0
prompt: "{{question}}"
benchmarks:
  - id: pocket
    source: {{file: "{pocket}/questions.jsonl"}}
    columns: {{id: id, question: question, answer: answer}}
    limit: 4
engines:
  here: {{kind: transformers, batch: 32, dtype: float32}}
models:
  - {{id: sturdy, path: "{pocket}/models/sturdy", engine: here}}
sampling: {{samples: 1, temperature: 0, max_tokens: 256}}
tests:
  recoverability: {{positions: [0, 0.4], trajectories: 4, distractors: 2, subsets: [individual]}}
"""
)
spec = ot.load_spec("small.yaml")

# %% What it will cost, at most. In a notebook, the value is shown as a table.
print(ot.plan(spec))
# > Plan(2 steps, at most 12 requests and 3,072 tokens)

# %% The model thinks about each question, and its correct thinking is cut and distracted.
data = ot.build(spec, progress=False)
print(data)
# > DataFolder('data/small-1.0.0': small 1.0.0, 3 configurations, 8 steered rows)

# %% Rows are Parquet: `datasets.load_dataset(str(data.path), "recoverability--sturdy")` opens them as well.
rows = data.to_arrow("recoverability--sturdy").to_pylist()
print([segment["role"] for segment in rows[-1]["segments"]])
# > ['own', 'transition', 'steer']

# %% The model goes on from each prefix, and what it answers is graded.
run = ot.evaluate(data, "sturdy", progress=False)
print(run)
# > Run('runs/small-1.0.0--sturdy': sturdy, 2 correct, 6 incorrect, 0 unscored)

# %% Scores are shares from 0 to 1, with 95 % intervals where there are questions enough for one.
scores = ot.report(run).to_pandas()
print(scores.loc[scores["benchmark"].isna() & scores["solve_rate"].isna(), ["test", "position_share", "n_outcomes"]])
# >              test  position_share  n_outcomes
# > 0            solo             NaN           4
# > 1  recoverability             NaN           8
# > 2  recoverability             0.0           4
# > 3  recoverability             0.4           4

# %% The rule that graded them can be asked about any response.
print(ot.grade(r"\frac{1}{2}", r"<think>Half of one.</think>It is \boxed{0.5}."))
# > Verdict(name='correct', decided_by='rule', reason='boxed')
