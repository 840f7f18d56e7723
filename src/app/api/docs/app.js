// The page /docs: shows /openapi.json. No framework, no build step, no request but to this server.
import {ApiDocument} from "./document.js";
import {element, inline, prose} from "./dom.js";
import {methodBadge, operationSection} from "./operation.js";
import {schemaSection} from "./schema.js";

const byId = (id) => document.getElementById(id);
const keyOf = () => byId("key").value.trim();  // lives in the field, and nowhere else

function group(title, links) {
  return element("div", {},
    element("h2", {}, title),
    element("ul", {}, links.map((each) => element("li", {}, each))));
}

function contents(doc, operations) {
  const link = (operation) => element("a", {href: `#${operation.id}`, title: operation.summary},
    methodBadge(operation.method), " ", operation.path);
  const ofTag = (tag) => operations.filter((each) => each.tags.includes(tag)).map(link);
  return [
    ...doc.json.tags.map((tag) => group(tag.name, ofTag(tag.name))),
    group("Schemas", doc.schemas().map((name) => element("a", {href: `#schema-${name}`}, name))),
  ];
}

function introduction({info, components}) {
  const schemes = Object.entries(components.securitySchemes).map(([name, scheme]) => [
    element("dt", {}, element("code", {}, name)),
    element("dd", {}, inline(scheme.description)),
  ]);
  return element("section", {class: "intro"},
    element("h1", {}, `${info.title} API`),
    element("p", {class: "lead"}, info.summary),
    prose(info.description),
    element("h2", {}, "Keys and tokens"),
    element("dl", {}, schemes));
}

function everything(doc, operations) {
  const ofTag = (tag) => operations.filter((each) => each.tags.includes(tag))
    .map((each) => operationSection(doc, each, keyOf));
  return [
    introduction(doc.json),
    ...doc.json.tags.map((tag) => [element("h2", {class: "tag"}, tag.name), element("p", {}, inline(tag.description)), ofTag(tag.name)]),
    element("h2", {class: "tag"}, "Schemas"),
    doc.schemas().map((name) => schemaSection(doc, name)),
  ].flat(Infinity);
}

/** Marks the entry of the contents whose part is being read. */
function followReading(nav) {
  const watcher = new IntersectionObserver((entries) => {
    const seen = entries.find((each) => each.isIntersecting);
    if (!seen) return;
    nav.querySelector("[aria-current]")?.removeAttribute("aria-current");
    nav.querySelector(`a[href="#${seen.target.id}"]`)?.setAttribute("aria-current", "true");
  }, {rootMargin: "-10% 0px -80% 0px"});
  for (const section of document.querySelectorAll("main section[id]")) watcher.observe(section);
}

async function start() {
  const answer = await fetch(new URL("../openapi.json", import.meta.url));
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  const doc = new ApiDocument(await answer.json());
  const operations = doc.operations();
  byId("version").textContent = doc.json.info.version;
  byId("contents").append(...contents(doc, operations));
  byId("main").replaceChildren(...everything(doc, operations));
  followReading(byId("contents"));
  if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
}

start().catch((error) => {
  byId("loading").textContent = `This page cannot be shown: ${error.message}`;
});
