// The form that sends a request to this server and shows what comes back. Examples fill it in.
import {code, element, statusBadge} from "./dom.js";
import {textOf} from "./document.js";

const SERVER = new URL("..", import.meta.url);
const SHOWN_CHARACTERS = 200_000;  // of an answer; the page must stay quick

/** What the form says: {method, url, headers, body}. */
function requestOf(operation, fields, key) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const parameter of operation.parameters) {
    const value = fields[parameter.name].value;
    if (value === "") continue;
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    if (parameter.in === "query") query.set(parameter.name, value);
    if (parameter.in === "header") headers[parameter.name] = value;
  }
  if (key) headers.Authorization = `Bearer ${key}`;
  if (fields.type) headers["Content-Type"] = fields.type.value;
  const url = new URL(path.slice(1), SERVER);
  url.search = query;
  return {method: operation.method, url: url.href, headers, body: fields.body?.value};
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The same request for a terminal; a key is left out. */
export function curlOf({method, url, headers, body}) {
  const parts = [method === "GET" ? "curl" : `curl -X ${method}`, quoted(url)];
  for (const [name, value] of Object.entries(headers))
    parts.push(`-H ${quoted(`${name}: ${name === "Authorization" ? "Bearer $KEY" : value}`)}`);
  if (body !== undefined) parts.push(`--data-binary ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

function pretty(text, type) {
  if (!/\bjson\b/.test(type)) return text;
  try {
    return textOf(JSON.parse(text));
  } catch {
    return text;
  }
}

/** The answer as it comes: `show(text)` is called with all of it that is there. */
async function read(answer, show) {
  let text = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    if (text.length > SHOWN_CHARACTERS) {
      show(`${text.slice(0, SHOWN_CHARACTERS)}\n... and more`);
      return reader.cancel();
    }
    show(text);
  }
  return show(pretty(text, answer.headers.get("Content-Type") ?? ""));
}

async function send(request, output) {
  const began = performance.now();
  output.replaceChildren(element("p", {}, "Sending ..."));
  let answer;
  try {
    answer = await fetch(request.url, {...request, cache: "no-store", credentials: "omit"});
  } catch (error) {
    output.replaceChildren(element("p", {class: "failed"}, `No answer: ${error.message}`));
    return;
  }
  const took = element("span", {class: "faint"});
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const body = code("", "Body of the answer");
  output.replaceChildren(
    element("p", {}, statusBadge(answer.status), ` ${answer.statusText} `, took),
    element("details", {}, element("summary", {}, "Headers"), code(headers, "Headers of the answer")),
    body,
  );
  await read(answer, (text) => body.firstChild.replaceChildren(text));
  took.textContent = `${Math.round(performance.now() - began)} ms`;
}

function fieldRow(label, input, note) {
  return element("label", {class: "field"}, element("span", {}, label, " ", note && element("small", {}, note)), input);
}

function inputsOf(operation) {
  const fields = {};
  const inputs = operation.parameters.map((each) => {
    fields[each.name] = element("input", {type: "text", autocomplete: "off", spellcheck: "false", required: each.required});
    return fieldRow(each.name, fields[each.name], each.in);
  });
  const rows = [element("div", {class: "pairs"}, inputs)];
  if (operation.requestBody) {
    const types = Object.keys(operation.requestBody.content);
    fields.type = element("select", {}, types.map((each) => element("option", {value: each}, each)));
    fields.body = element("textarea", {rows: "10", spellcheck: "false"});
    rows.push(fieldRow("Content-Type", fields.type), fieldRow("Body", fields.body));
  }
  return {fields, rows};
}

function fill(fields, request) {
  for (const [name, field] of Object.entries(fields))
    if (name !== "type" && name !== "body") field.value = request.values[name] ?? "";
  if (fields.type) fields.type.value = request.type;
  if (fields.body) fields.body.value = request.body;
}

function documented(doc, operation, request) {
  const answer = doc.answer(operation, request.name);
  if (!answer) return [];
  return [
    element("p", {class: "faint"}, "Documented answer ", statusBadge(answer.status), " ", element("code", {}, answer.type)),
    code(answer.body, "Documented answer"),
  ];
}

async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => button.replaceChildren(label), 1500);
}

export function tryIt(doc, operation, keyOf) {
  const requests = doc.requests(operation);
  const {fields, rows} = inputsOf(operation);
  const output = element("div", {class: "output", role: "status"});
  const choice = element("select", {}, requests.map((each) => element("option", {value: each.name}, each.summary)));
  const choose = () => {
    const request = requests[choice.selectedIndex];
    fill(fields, request);
    output.replaceChildren(...documented(doc, operation, request));
  };
  choice.addEventListener("change", choose);
  choose();
  const now = () => requestOf(operation, fields, keyOf());
  const submit = (event) => {
    event.preventDefault();
    send(now(), output);
  };
  return element(
    "form", {class: "try", onsubmit: submit, "aria-label": `Try it: ${operation.summary}`},
    element("h4", {}, "Try it"),
    requests.length > 1 && fieldRow("Example", choice),
    rows,
    element("p", {class: "buttons"},
      element("button", {type: "submit"}, "Send"), " ",
      element("button", {type: "button", class: "quiet", onclick: (event) => copy(event.target, curlOf(now()))}, "Copy as curl")),
    output,
  );
}
