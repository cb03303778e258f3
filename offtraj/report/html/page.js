"use strict";
// The page's only script. Model output reaches the document through text nodes only: innerHTML is not used, and the
// page's policy (Trusted Types) forbids it.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("index").textContent);
  const { axes, columns, values, runs, firsts, stamp } = data;
  const total = columns.id.length;
  const value = (name, at) => (values[name] ? values[name][columns[name][at]] : columns[name][at]);
  const element = (tag, name, ...children) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...children);
    return made;
  };

  // ---- Tables and legends -----------------------------------------------------------------------------------------

  const collator = new Intl.Collator("en", { numeric: true });
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, at) => {
      head.firstElementChild.addEventListener("click", () => {
        const number = head.classList.contains("number");
        const was = head.getAttribute("aria-sort");
        const order = was ? (was === "ascending" ? "descending" : "ascending") : number ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const key = (row) => row.cells[at].dataset.sort ?? row.cells[at].textContent;
        const compare = number ? (a, b) => key(a) - key(b) : (a, b) => collator.compare(key(a), key(b));
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => sign * compare(a, b)));
      });
    });
  }

  const drawn = runs.map((_, run) => document.querySelectorAll(`figure g.run-${run}`));
  drawn.forEach((groups) => groups.forEach((group) => group.classList.add("series")));
  const keys = [...document.querySelectorAll(".key")];
  let pinned = null;
  const forward = (run) =>
    drawn.forEach((groups, at) => groups.forEach((group) => group.classList.toggle("back", run !== null && at !== run)));
  for (const key of keys) {
    const run = Number(key.dataset.run);
    key.addEventListener("pointerenter", () => forward(run));
    key.addEventListener("pointerleave", () => forward(pinned));
    key.addEventListener("click", () => {
      pinned = pinned === run ? null : run;
      keys.forEach((other) => other.setAttribute("aria-pressed", String(Number(other.dataset.run) === pinned)));
      forward(pinned);
    });
  }

  // ---- Links to a section open what is collapsed in it ---------------------------------------------------------------

  function unfold(hash) {
    const section = /^#[\w-]+$/.test(hash) ? $(hash.slice(1)) : null;
    if (section?.id === "usage") section.querySelectorAll("details").forEach((details) => { details.open = true; });
  }
  for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => unfold(link.hash));
  addEventListener("hashchange", () => unfold(location.hash));
  unfold(location.hash);

  // ---- Foreign text -----------------------------------------------------------------------------------------------

  // Controls, bidirectional overrides and isolates, invisible characters, tags, lone surrogates.
  const HIDDEN =
    /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e007f}])\1*/gu;
  const NAMES = {
    0x00: "NUL", 0x08: "BS", 0x0d: "CR", 0x1b: "ESC", 0x7f: "DEL", 0xad: "SHY", 0x61c: "ALM", 0x200b: "ZWSP", 0x200e: "LRM",
    0x200f: "RLM", 0x2028: "LSEP", 0x2029: "PSEP", 0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO",
    0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM",
  };
  const MOST_MARKS = 2000; // a text may consist of them: beyond these they are plain text
  const BLOCK = 8000; // characters

  function marker(run) {
    const point = run.codePointAt(0);
    const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
    const times = [...run].length;
    return `${NAMES[point] ? `${NAMES[point]} ` : ""}${code}${times > 1 ? ` ×${times}` : ""}`;
  }

  /** Appends a text to a node, with a marker for each invisible character. */
  function put(node, text, state = { marks: 0 }) {
    let last = 0;
    for (const found of text.matchAll(HIDDEN)) {
      node.append(text.slice(last, found.index));
      last = found.index + found[0].length;
      const shown = marker(found[0]);
      node.append(state.marks++ < MOST_MARKS ? element("span", "mark", shown) : `[${shown}]`);
    }
    node.append(text.slice(last));
    return node;
  }

  const safe = (text, tag = "bdi", name = "") => put(element(tag, name), String(text));

  /** Pieces of whole lines, of at most BLOCK characters; a longer line is taken apart. */
  function* pieces(text) {
    let start = 0;
    while (start < text.length) {
      let end = Math.min(start + BLOCK, text.length);
      let broken = false;
      if (end < text.length) {
        const line = text.lastIndexOf("\n", end - 1);
        if (line >= start) end = line + 1;
        else {
          broken = true;
          const code = text.charCodeAt(end - 1);
          if (code >= 0xd800 && code < 0xdc00) end -= 1;
        }
      }
      const whole = !broken && end < text.length; // the next block begins on a line of its own anyway
      yield [text.slice(start, whole ? end - 1 : end), broken];
      start = end;
    }
  }

  /** A long text as blocks; the browser lays out only visible ones. */
  function blocks(text, newlines = false) {
    const node = element("div", "prose");
    const state = { marks: 0 };
    let on = false;
    for (const [piece, broken] of pieces(text)) {
      const block = element("div", on ? "block on" : "block");
      piece.split(newlines ? "\n" : undefined).forEach((line, at) => {
        if (at) block.append(element("span", "mark soft", "↵"), "\n");
        put(block, line, state);
      });
      node.append(block);
      on = broken;
    }
    if (node.childElementCount > 2) node.classList.add("long");
    return node;
  }

  // ---- Texts, loaded when a row is opened -------------------------------------------------------------------------

  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("offtraj-chunks", {
        createScriptURL(url) {
          if (!/^[^/\\:?#]+\/\d{3,}\.js$/.test(decodeURIComponent(url))) throw new TypeError("no chunk");
          return url;
        },
      })
    : { createScriptURL: (url) => url };
  const KEPT = 12; // chunks of about a megabyte
  const chunks = new Map();
  const waiting = new Map();

  Object.defineProperty(window, "offtraj", {
    value(of, number, texts) {
      const wait = waiting.get(number);
      if (wait) of === stamp ? wait.resolve(texts) : wait.reject(new Error("The texts belong to another page: write the report again."));
    },
  });

  function chunk(number) {
    const there = chunks.get(number);
    if (there) {
      chunks.delete(number);
      chunks.set(number, there);
      return there;
    }
    const loaded = new Promise((resolve, reject) => {
      waiting.set(number, { resolve, reject });
      const script = document.createElement("script");
      const name = `${encodeURIComponent(data.folder)}/${String(number).padStart(3, "0")}.js`;
      script.src = policy.createScriptURL(name);
      script.onerror = () => reject(new Error(`${data.folder}/${String(number).padStart(3, "0")}.js cannot be read: it must be next to this page.`));
      script.onload = () => { script.remove(); reject(new Error("The file with its texts is damaged.")); };
      document.head.append(script);
    }).finally(() => waiting.delete(number));
    chunks.set(number, loaded);
    loaded.catch(() => chunks.delete(number));
    if (chunks.size > KEPT) chunks.delete(chunks.keys().next().value);
    return loaded;
  }

  async function texts(at) {
    let low = 0;
    let high = firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firsts[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return (await chunk(low))[at - firsts[low]];
  }

  // ---- Filters ------------------------------------------------------------------------------------------------------

  const percent = (share) => `${Number((100 * share).toFixed(4))} %`;
  const FILTERS = [
    ["run", "model", (run) => runs[run].name],
    ["test", "test"],
    ["variant", "variant"],
    ["at", "position or ratio", percent],
    ["verdict", "verdict"],
    ["reason", "reason", (reason) => reason || "none given"],
    ["by", "decided by", (by) => by ?? "not decided"],
    ["finish", "ended by", (finish) => finish ?? "not known"],
    ["sent", "sent as"],
    ["benchmark", "benchmark"],
    ["guide", "guide", (guide) => guide ?? "none"],
  ].filter(([name]) => values[name].length > 1);
  const plain = (text) => put(element("span"), String(text)).textContent;
  const form = $("filters");
  const selects = {};
  for (const [name, label, shown = String] of FILTERS) {
    const select = element("select");
    select.name = name;
    select.append(new Option("all", ""));
    const counts = new Array(values[name].length).fill(0);
    for (const code of columns[name]) counts[code] += 1;
    const order = values[name].map((_, code) => code);
    order.sort((a, b) => collator.compare(String(values[name][a] ?? ""), String(values[name][b] ?? "")));
    for (const code of order) {
      const text = plain(shown(values[name][code]));
      select.append(new Option(`${text.length > 60 ? `${text.slice(0, 59)}…` : text} (${counts[code].toLocaleString("en")})`, String(code)));
    }
    selects[name] = select;
    form.append(element("label", "", label, select));
  }
  const search = element("input");
  search.type = "search";
  search.name = "find";
  search.placeholder = "question or row id";
  form.append(element("label", "", "find", search));
  const reset = element("button", "", "show all");
  reset.type = "reset";
  form.append(element("label", "", "\u00a0", reset));

  let matching = [];
  let current = -1;

  function filter() {
    const tests = FILTERS.filter(([name]) => selects[name].value !== "").map(([name]) => [columns[name], Number(selects[name].value)]);
    const wanted = search.value.trim().toLowerCase();
    const questions = wanted && values.question.map((id) => id.toLowerCase().includes(wanted));
    matching = [];
    for (let at = 0; at < total; at += 1) {
      if (tests.every(([column, code]) => column[at] === code)
        && (!wanted || questions[columns.question[at]] || wanted.startsWith(columns.id[at].split(/[.@]/)[0]) || columns.id[at].startsWith(wanted)))
        matching.push(at);
    }
    for (const control of [...Object.values(selects), search]) control.classList.toggle("on", control.value !== "");
    $("count").textContent = matching.length === total
      ? `${total.toLocaleString("en")} trajectories`
      : `${matching.length.toLocaleString("en")} of ${total.toLocaleString("en")} trajectories`;
    $("rows").style.height = `${matching.length * ROW}px`;
    $("list").scrollTop = 0;
    list();
  }

  // ---- The list: only visible rows are in the document ------------------------------------------------------------

  const ROW = 52;

  function list() {
    const box = $("list");
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
    const last = Math.min(matching.length, Math.ceil((box.scrollTop + (box.clientHeight || 600)) / ROW) + 8);
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(item(place));
    $("rows").replaceChildren(...rows);
    if (current >= 0) box.setAttribute("aria-activedescendant", `item-${current}`);
  }

  const what = (at) => {
    const place = value("at", at);
    return `${value("test", at)}, ${axes[value("test", at)]} ${percent(place)}`;
  };

  function item(place) {
    const at = matching[place];
    const node = element("div", "item");
    node.id = `item-${at}`;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", String(at === current));
    node.setAttribute("aria-setsize", matching.length);
    node.setAttribute("aria-posinset", place + 1);
    node.style.top = `${place * ROW}px`;
    const verdict = value("verdict", at);
    const mark = element("span", `verdict ${verdict}`);
    mark.setAttribute("aria-label", verdict);
    node.append(
      element("span", "", mark, safe(value("question", at))),
      element("span", "", runs.length > 1 ? safe(runs[value("run", at)].name) : "", runs.length > 1 ? " · " : "", what(at),
        value("variant", at) === "default" ? "" : safe(` · ${value("variant", at)}`)),
    );
    node.addEventListener("click", () => open(at));
    return node;
  }

  // ---- One trajectory --------------------------------------------------------------------------------------------------

  const fact = (label, ...children) => element("span", "", `${label} `, element("b", "", ...children));
  const count = (number, unit) => `${number.toLocaleString("en")} ${unit}${number === 1 ? "" : "s"}`;

  function segment(kind, title, details, body) {
    const head = element("header", "", element("b", "", title));
    for (const detail of details) if (detail) head.append(element("span", "", detail));
    return element("section", `segment ${kind}`, head, body);
  }

  const cut = (...children) => element("p", "cut", element("span", "", ...children));
  const TITLES = { own: "own thinking", transition: "transition", steer: "steer" };

  function prefix(at, segments) {
    const place = value("at", at);
    const nodes = [];
    segments.forEach(([role, text, model, question, sample, start, end, tokens], number) => {
      const details = role === "transition" ? ["inserted"] : [
        model && safe(model),
        question !== null && question !== value("question", at) && element("span", "", "on another question: ", safe(question)),
        sample !== null && `sample ${sample}`,
        start !== null && `characters ${start.toLocaleString("en")} to ${end.toLocaleString("en")}`,
        tokens > 0 && count(tokens, "token"),
      ];
      if (text) nodes.push(segment(role, TITLES[role] ?? role, details, blocks(text, role === "transition")));
      const next = segments[number + 1];
      if (role === "own") nodes.push(cut(`✂ cut at ${percent(place)} of its own thinking`));
      else if (role === "steer" && !next) nodes.push(cut(`✂ steer cut at ${percent(columns.ratio[at])}; the model continues from here`));
    });
    if (!segments.length || segments[segments.length - 1][0] !== "steer") nodes.push(cut("the model continues from here"));
    return nodes;
  }

  function continuation(run, completion, at) {
    if (completion === null) return [element("p", "notice", "There is no continuation: the completion failed to generate.")];
    if (completion === "" && value("finish", at) === "length" && columns.tokens[at] === 0)
      return [element("p", "notice", "There is no continuation: the prompt itself reaches the limit on tokens.")];
    const close = runs[run].close;
    const end = close ? completion.indexOf(close) : -1;
    const size = (text) => count(text.length, "character");
    if (end < 0) return [segment("continuation", "continuation", [size(completion), close && "thinking never closed here"], blocks(completion))];
    const thinking = completion.slice(0, end);
    const answer = completion.slice(end + close.length);
    return [
      segment("continuation", "continuation", [size(thinking)], blocks(thinking)),
      cut("thinking closes: ", safe(close, "code")),
      segment("answer", "answer", [size(answer)], blocks(answer)),
    ];
  }

  let asked = 0;

  async function open(at, { scroll = true, remember = true } = {}) {
    current = at;
    const turn = (asked += 1);
    const article = $("row");
    list();
    if (remember) address();
    const run = value("run", at);
    const place = matching.indexOf(at);
    const step = (label, by, title) => {
      const button = element("button", "step", label);
      button.type = "button";
      button.title = title;
      button.disabled = place < 0 || matching[place + by] === undefined;
      button.addEventListener("click", () => go(by));
      return button;
    };
    const head = element("div", "head",
      element("h3", "", safe(value("question", at))),
      element("div", "steps", step("← previous", -1, "k or ←"), step("next →", 1, "j or →")));
    const slow = setTimeout(() => article.replaceChildren(head, element("p", "waiting", "Loading…")), 120);
    let found;
    try {
      found = await texts(at);
    } catch (error) {
      clearTimeout(slow);
      if (turn === asked) article.replaceChildren(head, safe(error.message, "p", "notice"));
      return;
    }
    clearTimeout(slow);
    if (turn !== asked) return;
    const [id, question, gold, segments, completion, builtFor, prefixTokens, reason] = found;
    const limit = value("limit", at);
    const verdict = value("verdict", at);
    const by = value("by", at);
    const link = safe(id.slice(0, 16), "a");
    link.href = `#row=${columns.id[at]}`;
    link.title = id;
    const facts = element("p", "facts",
      element("span", "", element("span", `verdict ${verdict}`, verdict), by === null ? ", not decided" : ` by ${by}`, reason ? ": " : "", safe(reason)),
      fact("gold answer", safe(gold)),
      fact("model", safe(runs[run].name)),
      builtFor !== runs[run].name ? fact("built for", safe(builtFor)) : "",
      fact("test", what(at)),
      fact("variant", safe(value("variant", at))),
      fact("subsets", safe(value("subsets", at) || "none")),
      fact("benchmark", safe(value("benchmark", at))),
      fact("solo", `${columns.solved[at]}/${columns.sampled[at]}`),
      columns.tokens[at] === null ? "" : fact("wrote", count(columns.tokens[at], "token")),
      prefixTokens === null ? "" : fact("after", count(prefixTokens, "token"),
        limit ? `, ${(100 * prefixTokens / limit).toFixed(1)} % of the ${limit.toLocaleString("en")} allowed` : ""),
      value("finish", at) ? fact("ended by", safe(value("finish", at))) : "",
      fact("sent as", safe(value("sent", at))),
      columns.reveals[at] ? fact("steer", "reveals the answer") : "",
      fact("row", link));
    const before = segments
      ? prefix(at, segments)
      : [element("p", "notice", "Only the continuation is shown. ", safe(runs[run].why))];
    article.replaceChildren(head, facts, segment("question", "question", [], blocks(question)), ...before, ...continuation(run, completion, at));
    article.dataset.row = columns.id[at];
    if (scroll && article.getBoundingClientRect().top < 0) article.scrollIntoView({ behavior: "instant", block: "start" });
  }

  function show(place) {
    const box = $("list");
    const top = place * ROW;
    if (top < box.scrollTop || top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2 + ROW;
  }

  function go(by) {
    if (!matching.length) return;
    const place = matching.indexOf(current);
    const next = place < 0 ? 0 : place + by;
    if (next < 0 || next >= matching.length) return;
    show(next);
    open(matching[next]);
  }

  // ---- The address: #row=ID, and what is filtered --------------------------------------------------------------------

  const names = new Map(columns.id.map((id, at) => [id, at]));

  function find(id) {
    if (names.has(id)) return names.get(id);
    const [row, rest = ""] = [id.split(/[.@]/)[0], id.slice(id.split(/[.@]/)[0].length)];
    if (names.has(row.slice(0, 16) + rest)) return names.get(row.slice(0, 16) + rest);
    if (row.length < 6) return -1;
    return columns.id.findIndex((one) => one.startsWith(row) || row.startsWith(one.split(/[.@]/)[0]));
  }

  const raw = (name, code) => String(values[name][code] ?? "");

  function address() {
    const to = new URLSearchParams();
    for (const [name] of FILTERS) if (selects[name].value !== "") to.set(name, raw(name, Number(selects[name].value)));
    if (search.value.trim()) to.set("find", search.value.trim());
    if (current >= 0) to.set("row", columns.id[current]);
    const hash = `#${to.toString().replaceAll("%40", "@")}`;
    if (hash !== location.hash && (hash !== "#" || location.hash.includes("="))) history.replaceState(null, "", hash);
  }

  function follow({ scroll }) {
    const from = new URLSearchParams(location.hash.slice(1));
    if (!location.hash.includes("=")) return false;
    for (const [name] of FILTERS) {
      const code = from.has(name) ? values[name].findIndex((_, one) => raw(name, one) === from.get(name)) : -1;
      selects[name].value = code < 0 ? "" : String(code);
    }
    search.value = from.get("find") ?? "";
    const at = from.has("row") ? find(from.get("row")) : -1;
    filter();
    if (at >= 0 && !matching.includes(at)) {
      form.reset();
      filter();
    }
    if (at >= 0) {
      if (scroll) $("viewer").scrollIntoView({ behavior: "instant" });
      show(matching.indexOf(at));
      open(at, { scroll: false, remember: false });
      return true;
    }
    if (from.has("row")) {
      $("row").replaceChildren(element("p", "notice", "This page has no row ", safe(from.get("row")), "."));
      if (scroll) $("viewer").scrollIntoView({ behavior: "instant" });
      return true;
    }
    return false;
  }

  form.addEventListener("input", () => { filter(); const stays = matching.includes(current); address(); if (!stays && matching.length) open(matching[0], { scroll: false }); else if (stays) show(matching.indexOf(current)), list(); });
  form.addEventListener("reset", () => setTimeout(() => { filter(); address(); if (current >= 0) { show(matching.indexOf(current)); list(); } }));
  form.addEventListener("submit", (event) => event.preventDefault());
  $("list").addEventListener("scroll", () => requestAnimationFrame(list), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(list));
  addEventListener("hashchange", () => follow({ scroll: true }));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const inList = document.activeElement === $("list");
    const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    go(by);
  });

  form.hidden = false;
  $("viewer").hidden = false;
  if (!follow({ scroll: true })) {
    if (!location.hash.includes("=")) filter();
    if (matching.length) open(matching[0], { scroll: false, remember: false });
    else $("row").replaceChildren(element("p", "waiting", "There are no trajectories."));
  }
})();
