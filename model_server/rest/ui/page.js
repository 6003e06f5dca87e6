"use strict";

const $ = (id) => document.getElementById(id);
let token = "";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

async function ask(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["content-type"] = "application/json";
  }
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (answer.ok) return found;
  if (answer.status === 401) $("access").hidden = false;
  throw new Error(found.error);
}

function complain(error) {
  $("trouble").textContent = error ? error.message : "";
  $("trouble").hidden = !error;
}

function row(version) {
  const made = element("tr");
  const gate = element("td", version.passed ? "passed" : "failed", { class: version.passed ? "passed" : "failed" });
  gate.title = version.reasons.join(" ");
  const serves = version.default ? "default" : version.state.toLowerCase();
  const report = element("td");
  const link = element("a", "Report", { href: `versions/${version.version}/report` });
  link.setAttribute("aria-label", `Report of ${version.version}`);
  report.append(link);
  const trained = version.created.slice(0, 16).replace("T", " ");
  made.append(element("td", version.version), element("td", trained), element("td", version.algorithm), gate);
  made.append(element("td", version.champion ? `${serves}, champion` : serves), report);
  return made;
}

function field(name, property, example, required) {
  const box = element("div");
  const id = `field-${name}`;
  const nullable = [].concat(property.type).includes("null");
  const type = [].concat(property.type)[0];
  box.append(element("label", name, { for: id }));
  let input;
  if (property.enum || type === "boolean") {
    input = element("select", undefined, { id });
    const values = (property.enum || [true, false]).filter((value) => value !== null);
    if (nullable) input.append(element("option", "unknown", { value: "" }));
    for (const value of values) input.append(element("option", String(value), { value: JSON.stringify(value) }));
    input.value = example === null || example === undefined ? "" : JSON.stringify(example);
  } else {
    const number = type !== "string";
    input = element("input", undefined, { id, type: number ? "number" : "text", step: type === "integer" ? "1" : "any" });
    input.value = example === null || example === undefined ? "" : example;
    input.required = required && !nullable;
  }
  input.dataset.name = name;
  input.dataset.type = type;
  input.setAttribute("aria-describedby", `${id}-note`);
  box.append(input, element("small", property.description + (nullable ? "; may be empty" : ""), { id: `${id}-note` }));
  return box;
}

function value(input) {
  if (input.value === "") return null;
  if (input.tagName === "SELECT") return JSON.parse(input.value);
  return input.dataset.type === "string" ? input.value : Number(input.value);
}

function bar(part, most) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-100 0 200 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const width = (95 * Math.abs(part)) / most;
  const shape = document.createElementNS(svg.namespaceURI, "rect");
  for (const [key, set] of Object.entries({ x: part < 0 ? -width : 0, y: 2, width, height: 16 })) shape.setAttribute(key, set);
  shape.setAttribute("class", part < 0 ? "down" : "up");
  const axis = document.createElementNS(svg.namespaceURI, "line");
  for (const [key, set] of Object.entries({ x1: 0, x2: 0, y1: 0, y2: 20 })) axis.setAttribute(key, set);
  svg.append(shape, axis);
  return svg;
}

function show(answer) {
  const box = $("answer");
  box.replaceChildren();
  const approved = answer.prediction === 1;
  const share = (100 * answer.probability).toFixed(1);
  box.append(element("p", approved ? "Approved" : "Rejected", { class: `verdict ${approved ? "passed" : "failed"}` }));
  box.append(element("p", `Probability of approval ${share} %, by ${answer.model_version}.`));
  if (answer.reasons.length) {
    box.append(element("h3", "Reasons that lowered the score"));
    const list = element("ol");
    for (const reason of answer.reasons) list.append(element("li", `${reason.text} (${reason.code})`));
    box.append(list);
  }
  const parts = answer.parts.filter((each) => Math.abs(each.part) >= 0.0005);
  if (!parts.length) return;
  const most = Math.max(...parts.map((each) => Math.abs(each.part)));
  const chart = element("div", undefined, { class: "parts", role: "list", "aria-label": "Contribution of each column" });
  for (const each of parts) {
    const shown = `${each.part < 0 ? "−" : "+"}${Math.abs(each.part).toFixed(2)}`;
    chart.append(element("span", each.column), bar(each.part, most));
    chart.append(element("span", shown, { class: each.part < 0 ? "part-down" : "part-up" }));
  }
  box.append(element("h3", "Contribution of each column to the log-odds, relative to a typical approved application"), chart);
}

async function describe() {
  const version = $("version").value;
  const described = (await ask(`openapi.json?version=${encodeURIComponent(version)}`)).components.schemas.Application;
  const example = described.examples[0];
  const required = new Set(described.required);
  const fields = Object.entries(described.properties);
  $("fields").replaceChildren(...fields.map(([name, property]) => field(name, property, example[name], required.has(name))));
  $("answer").replaceChildren();
}

async function start() {
  complain();
  const found = await ask("versions");
  $("title").textContent = `Model ${found.model}`;
  document.title = `Model ${found.model}`;
  $("versions").replaceChildren(...found.versions.map(row));
  const options = found.versions.map((each) => element("option", each.version, { value: each.version }));
  $("version").replaceChildren(...options);
  const serving = found.versions.find((each) => each.default);
  if (!serving) throw new Error("No version is loaded.");
  $("version").value = serving.version;
  await describe();
}

$("version").addEventListener("change", () => describe().then(() => complain(), complain));
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  start().then(() => ($("access").hidden = true), complain);
});
$("application").addEventListener("submit", async (event) => {
  event.preventDefault();
  const inputs = [...$("fields").querySelectorAll("input, select")];
  const application = Object.fromEntries(inputs.map((input) => [input.dataset.name, value(input)]));
  try {
    show(await ask(`explain?version=${encodeURIComponent($("version").value)}`, application));
    complain();
  } catch (error) {
    $("answer").replaceChildren();
    complain(error);
  }
});
start().catch(complain);
