// JSON Schema as tables.
import {element, inline} from "./dom.js";

const LIMITS = [
  ["const", (value) => `is ${JSON.stringify(value)}`],
  ["minimum", (value) => `at least ${value}`],
  ["maximum", (value) => `at most ${value}`],
  ["exclusiveMinimum", (value) => `above ${value}`],
  ["exclusiveMaximum", (value) => `below ${value}`],
  ["minLength", (value) => `at least ${value} characters`],
  ["maxLength", (value) => `at most ${value} characters`],
  ["minItems", (value) => `at least ${value}`],
  ["maxItems", (value) => `at most ${value}`],
  ["default", (value) => `${JSON.stringify(value)} unless given`],
];

/** Links to named schemas; else "string or null", "array of Event". */
export function typeOf(doc, schema) {
  const name = doc.nameOf(schema);
  if (name) return element("a", {href: `#schema-${name}`}, doc.follow(schema).title ?? name);
  if (schema.oneOf) return join(schema.oneOf.map((each) => typeOf(doc, each)));
  if (schema.type === "array") return element("span", {}, "array of ", typeOf(doc, schema.items));
  if (schema.contentSchema) return element("span", {}, "lines, each ", typeOf(doc, schema.contentSchema));
  const type = [schema.type ?? typeof (schema.const ?? schema.enum?.[0] ?? "any")].flat().join(" or ");
  return element("span", {}, schema.format ? `${type} (${schema.format})` : type);
}

function join(parts) {
  return element("span", {}, parts.flatMap((part, at) => (at ? [" or ", part] : [part])));
}

/** What bounds a value, in words; a pattern as code. */
export function limitsOf(schema) {
  const words = LIMITS.filter(([key]) => schema[key] !== undefined).map(([key, say]) => say(schema[key]));
  if (schema.not?.const !== undefined) words.push(`not ${schema.not.const}`);
  return [
    words.length > 0 && element("div", {class: "limits"}, words.join(", ")),
    schema.enum && element("div", {class: "limits"}, schema.enum.flatMap((each) => [element("code", {}, String(each)), " "])),
    schema.pattern && element("div", {class: "limits"}, "matches ", element("code", {}, schema.pattern)),
  ];
}

function propertyRow(doc, name, schema, required) {
  const followed = doc.follow(schema);
  const isNamed = Boolean(doc.nameOf(schema));
  return element(
    "tr", {},
    element("th", {scope: "row"}, element("code", {}, name), required && element("span", {class: "required"}, "required")),
    element("td", {class: "type"}, typeOf(doc, schema)),
    element("td", {}, inline(followed.description), isNamed ? [] : limitsOf(followed)),
  );
}

/** The body of a named schema. */
export function schemaTable(doc, schema) {
  if (!schema.properties) {
    return element("p", {}, typeOf(doc, schema), limitsOf(schema));
  }
  const rows = Object.entries(schema.properties).map(([name, each]) =>
    propertyRow(doc, name, each, schema.required?.includes(name)));
  return element(
    "div", {class: "scroll"},
    element(
      "table", {},
      element("thead", {}, element("tr", {}, ["Field", "Type", "Meaning"].map((head) => element("th", {scope: "col"}, head)))),
      element("tbody", {}, rows),
    ),
  );
}

export function schemaSection(doc, name) {
  const schema = doc.json.components.schemas[name];
  return element(
    "section", {id: `schema-${name}`, class: "schema"},
    element("h3", {}, schema.title ?? name, " ", element("code", {class: "faint"}, name)),
    schema.description && element("p", {}, inline(schema.description)),
    schemaTable(doc, schema),
  );
}
