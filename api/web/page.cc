#include "api/web/page.h"

namespace shift::api {

// The page asks the same endpoints as any other client. Texts from the server only ever become text
// nodes, never markup.
std::string_view web_page() {
    static constexpr std::string_view kPage = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>shift</title>
<style>
:root { --line: #d8dee4; --soft: #f6f8fa; --text: #1f2328; --dim: #59636e; --accent: #0b5cad;
  --page: #ffffff; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #161b22; --text: #e6edf3; --dim: #9198a1; --accent: #6cb6ff;
    --page: #0d1117; }
}
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: var(--text);
  background: var(--page); }
header { display: flex; gap: 1.2rem; align-items: baseline; padding: .7rem 1.5rem;
  border-bottom: 1px solid var(--line); background: var(--soft); }
header b { font-size: 1.15rem; }
header .env { color: var(--dim); }
header .fault { margin-left: auto; color: #c62828; }
main { padding: 1rem 1.5rem 3rem; max-width: 90rem; margin: auto; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--dim); white-space: nowrap; }
td.ddl, pre, textarea { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .7rem;
  max-height: 30rem; overflow: auto; white-space: pre-wrap; }
.state { display: inline-block; padding: 0 .55rem; border-radius: 1rem; color: #fff;
  white-space: nowrap; font-size: .85rem; }
.info { background: #1f6feb; } .warning { background: #9a6700; } .success { background: #1a7f37; }
.danger { background: #c62828; } .purple { background: #8250df; }
.bar { width: 7rem; height: .5rem; border-radius: .3rem; background: var(--line);
  overflow: hidden; }
.bar i { display: block; height: 100%; background: #1a7f37; }
button { font: inherit; font-size: .85rem; padding: .1rem .6rem; margin: 0 .25rem .25rem 0;
  border: 1px solid var(--line); border-radius: 6px; background: var(--soft); color: inherit;
  cursor: pointer; }
button:hover { border-color: var(--accent); }
button.grave { color: #c62828; }
form { display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1rem; max-width: 60rem; }
input, select, textarea { font: inherit; padding: .3rem .5rem; border: 1px solid var(--line);
  border-radius: 6px; background: var(--page); color: inherit; width: 100%; }
.empty, .dim { color: var(--dim); }
.error { color: #c62828; white-space: pre-wrap; }
</style>
</head>
<body>
<header>
  <b><a href="#/">shift</a></b><span class="env" id="env"></span>
  <a href="#/new">new migration</a><span class="fault" id="fault"></span>
</header>
<main id="main"></main>
<script>
"use strict";
const base = "/api/v1/migrations";
const refreshMs = 4000;
let timer = null;

// node("td", {class: "x"}, "text", child ...)
function node(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

async function call(method, path, body) {
  const options = {method, headers: {}};
  if (body) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const text = await answer.text();
  let value = null;
  try { value = JSON.parse(text); } catch (ignored) { /* not JSON */ }
  if (!answer.ok) {
    const why = value && (value.errors || [value.message]);
    throw new Error(why && why.length ? why.join(" ") : "refused (" + answer.status + ")");
  }
  return value;
}

function show(...children) {
  document.getElementById("main").replaceChildren(...children);
}
function fault(text) { document.getElementById("fault").textContent = text || ""; }

function whoAmI() {
  let name = "";
  try { name = localStorage.getItem("approver") || ""; } catch (ignored) { /* blocked */ }
  name = prompt("Your name, as the approver:", name);
  if (name) {
    try { localStorage.setItem("approver", name); } catch (ignored) { /* blocked */ }
  }
  return name;
}

async function act(action, migration) {
  const body = {id: migration.id, lock_version: migration.lock_version};
  let path = base + "/" + action;
  let method = "POST";
  if (action.startsWith("approve_")) {
    body.approver = whoAmI();
    if (!body.approver) return;
    body.runtype = action.slice("approve_".length);
    path = base + "/approve";
  } else if (action === "cancel" || action === "delete") {
    if (!confirm(action + " migration " + migration.id + "?")) return;
    if (action === "delete") {
      method = "DELETE";
      path = base + "/" + migration.id;
    } else {
      path = base + "/cancel_cli";
      delete body.lock_version;
    }
  } else if (action === "pause") {
    delete body.lock_version;
  }
  try {
    await call(method, path, body);
    fault("");
    if (action === "delete") location.hash = "#/";
  } catch (problem) {
    fault(action + ": " + problem.message);
  }
  route();
}

function buttons(item) {
  return item.available_actions.map(action =>
    node("button", {class: action === "cancel" || action === "delete" ? "grave" : null,
      onclick: () => act(action, item.migration)}, action.replace("_", " ")));
}
function state(item) {
  return node("span", {class: "state " + item.label}, item.description);
}
function progress(migration) {
  const percent = migration.copy_percentage;
  if (percent === null) return "";
  const width = Math.max(0, Math.min(100, percent));
  const bar = node("i", {});
  bar.style.width = width + "%";
  return [node("div", {class: "bar", title: percent + "%"}, bar),
    node("span", {class: "dim"}, percent + "%")];
}
function time(text) { return text ? text.replace("T", " ").replace(/\.\d+Z$/, " UTC") : ""; }

async function showList() {
  const answer = await call("GET", "/web/migrations?limit=100");
  document.getElementById("env").textContent = answer.environment;
  if (!answer.migrations.length) {
    show(node("p", {class: "empty"}, "No migrations yet."));
    return;
  }
  const head = ["id", "state", "progress", "cluster", "database", "statement", "requestor",
    "host", ""];
  show(node("table", {},
    node("thead", {}, node("tr", {}, head.map(text => node("th", {}, text)))),
    node("tbody", {}, answer.migrations.map(item => {
      const m = item.migration;
      return node("tr", {},
        node("td", {}, node("a", {href: "#/" + m.id}, String(m.id))),
        node("td", {}, state(item)), node("td", {}, progress(m)),
        node("td", {}, m.cluster_name), node("td", {}, m.database),
        node("td", {class: "ddl"}, m.ddl_statement.slice(0, 300)),
        node("td", {}, m.requestor), node("td", {}, m.run_host || ""),
        node("td", {}, buttons(item)));
    }))));
}

function fields(migration) {
  const rows = [];
  for (const [key, value] of Object.entries(migration)) {
    if (value === null || value === "" || key === "ddl_statement") continue;
    const text = key.endsWith("_at") ? time(value) : String(value);
    const error = key === "error_message" ? "error" : null;
    rows.push(node("tr", {}, node("th", {}, key.replaceAll("_", " ")),
      node("td", {class: error}, text)));
  }
  return node("table", {}, node("tbody", {}, rows));
}

async function showOne(id) {
  const [list, events] = await Promise.all([
    call("GET", "/web/migrations?limit=1&below=" + (id + 1)),
    call("GET", "/web/events?id=" + id)]);
  const item = list.migrations[0];
  document.getElementById("env").textContent = list.environment;
  if (!item || item.migration.id !== id) {
    show(node("p", {class: "empty"}, "There is no migration " + id + "."));
    return;
  }
  const log = await fetch("/shift_file/" + id + "?file_type=0");
  const old = document.getElementById("log");
  const atEnd = !old || old.scrollTop + old.clientHeight >= old.scrollHeight - 4;
  const kept = old ? old.scrollTop : 0;
  const pre = node("pre", {id: "log"}, log.ok ? (await log.text()).slice(-200000) : "no log yet");
  show(node("h2", {}, "Migration " + id + " ", state(item)),
    node("p", {}, buttons(item)), node("p", {}, progress(item.migration)),
    node("pre", {}, item.migration.ddl_statement), fields(item.migration),
    node("h3", {}, "Log"), pre,
    node("h3", {}, "Events"),
    node("table", {}, node("tbody", {}, events.events.map(event => node("tr", {},
      node("td", {class: "dim"}, time(event.at)), node("td", {}, event.what),
      node("td", {}, event.from === event.to ? event.to : event.from + " \u2192 " + event.to),
      node("td", {class: "dim"}, "lock version " + event.lock_version))))));
  pre.scrollTop = atEnd ? pre.scrollHeight : kept;
}

async function showForm() {
  const {clusters} = await call("GET", "/web/clusters");
  const names = {cluster_name: "cluster", database: "database", ddl_statement: "statement",
    final_insert: "final insert", pr_url: "link", requestor: "requestor"};
  const inputs = {};
  const problem = node("p", {class: "error"});
  const rows = Object.entries(names).map(([key, label]) => {
    inputs[key] = key === "cluster_name"
      ? node("select", {}, clusters.map(name => node("option", {}, name)))
      : node(key === "ddl_statement" ? "textarea" : "input", {rows: 6});
    return [node("label", {}, label), inputs[key]];
  });
  const submit = async event => {
    event.preventDefault();
    const body = {};
    for (const key of Object.keys(names)) body[key] = inputs[key].value;
    try {
      const made = await call("POST", base, body);
      location.hash = "#/" + made.migration.id;
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  show(node("h2", {}, "New migration"),
    node("form", {onsubmit: submit}, rows, node("span", {}), node("button", {}, "create")),
    problem);
}

async function route() {
  clearTimeout(timer);
  const place = location.hash.replace(/^#\/?/, "");
  const page = place;
  try {
    if (place === "new") return await showForm();
    await (/^\d+$/.test(place) ? showOne(Number(place)) : showList());
    if (document.getElementById("fault").textContent.startsWith("server:")) fault("");
  } catch (problem) {
    fault("server: " + problem.message);
  }
  if (page === location.hash.replace(/^#\/?/, "")) {
    clearTimeout(timer);
    timer = setTimeout(route, refreshMs);
  }
}
addEventListener("hashchange", () => { fault(""); route(); });
route();
</script>
</body>
</html>
)html";
    return kPage;
}

}  // namespace shift::api
