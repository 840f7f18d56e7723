// One operation: what it is, what goes in, what comes back; beside it the form that sends a request.
import {badge, code, element, inline, prose, statusBadge} from "./dom.js";
import {textOf} from "./document.js";
import {limitsOf, typeOf} from "./schema.js";
import {tryIt} from "./try_it.js";

export function methodBadge(method) {
  return badge(method, `method-${method.toLowerCase()}`);
}

function scopesOf(operation) {
  const scopes = [...new Set((operation.security ?? []).flatMap((each) => Object.values(each).flat()))];
  if (scopes.length === 0) return element("p", {class: "faint"}, "Open: needs no key.");
  return element("p", {class: "faint"}, "With authentication on it needs the scope ", inline(`\`${scopes.join(", ")}\``), ".");
}

function parameterTable(doc, parameters) {
  if (parameters.length === 0) return [];
  const rows = parameters.map((each) => element(
    "tr", {},
    element("th", {scope: "row"}, element("code", {}, each.name), each.required && element("span", {class: "required"}, "required")),
    element("td", {class: "type"}, each.in, element("br"), typeOf(doc, each.schema)),
    element("td", {}, inline(each.description), limitsOf(each.schema)),
  ));
  return [
    element("h4", {}, "Parameters"),
    element("div", {class: "scroll"}, element("table", {},
      element("thead", {}, element("tr", {}, ["Name", "Where", "Meaning"].map((head) => element("th", {scope: "col"}, head)))),
      element("tbody", {}, rows))),
  ];
}

function bodyTypes(doc, content) {
  return Object.entries(content ?? {}).map(([type, media]) =>
    element("li", {}, element("code", {}, type), ": ", typeOf(doc, media.schema)));
}

function requestBody(doc, body) {
  if (!body) return [];
  return [
    element("h4", {}, "Body"),
    element("p", {}, inline(body.description)),
    element("ul", {}, bodyTypes(doc, body.content)),
  ];
}

function headerRows(doc, headers) {
  return Object.entries(headers ?? {}).map(([name, header]) =>
    element("li", {}, element("code", {}, name), ": ", inline(doc.follow(header).description)));
}

function responseDetails(doc, response) {
  const examples = Object.values(response.content ?? {}).flatMap((media) => Object.entries(media.examples ?? {}));
  return element(
    "details", {class: "response"},
    element("summary", {}, statusBadge(response.status), " ", inline(response.description)),
    element("ul", {}, bodyTypes(doc, response.content), headerRows(doc, response.headers)),
    examples.map(([name, example]) => element("figure", {},
      element("figcaption", {}, example.summary ?? name),
      code(textOf(example.value), `Answer: ${example.summary ?? name}`))),
  );
}

export function operationSection(doc, operation, keyOf) {
  return element(
    "section", {id: operation.id, class: "operation", "aria-labelledby": `${operation.id}-title`},
    element("div", {class: "told"},
      element("h3", {id: `${operation.id}-title`}, operation.summary),
      element("p", {class: "target"}, methodBadge(operation.method), " ", element("code", {}, operation.path)),
      prose(operation.description),
      scopesOf(operation),
      parameterTable(doc, operation.parameters),
      requestBody(doc, operation.requestBody),
      element("h4", {}, "Answers"),
      operation.responses.map((each) => responseDetails(doc, each))),
    element("div", {class: "tried"}, tryIt(doc, operation, keyOf)),
  );
}
