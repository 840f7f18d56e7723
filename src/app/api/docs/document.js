// The OpenAPI document, read: references followed, and what belongs to one example put together.

export class ApiDocument {
  constructor(json) {
    this.json = json;
  }

  /** What a {"$ref": "#/..."} stands for; anything else is itself. */
  follow(node) {
    if (!node?.$ref) return node;
    const steps = node.$ref.slice(2).split("/");
    return this.follow(steps.reduce((at, step) => at[step.replaceAll("~1", "/").replaceAll("~0", "~")], this.json));
  }

  /** "Event" of {"$ref": "#/components/schemas/Event"}. */
  nameOf(node) {
    return node?.$ref?.split("/").at(-1);
  }

  schemas() {
    return Object.keys(this.json.components.schemas);
  }

  operations() {
    return Object.entries(this.json.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        path,
        method: method.toUpperCase(),
        id: operation.operationId,
        parameters: (operation.parameters ?? []).map((each) => this.follow(each)),
        responses: Object.entries(operation.responses)
          .map(([status, response]) => ({status, ...this.follow(response)})),
      })),
    );
  }

  /**
   * The requests that an operation shows: {name, summary, type, body, values}, `values` by the
   * parameters' names. An operation that shows none has one all the same, answered by the first
   * example of its first answer.
   */
  requests(operation) {
    const requests = new Map();
    const named = (name) => {
      if (!requests.has(name)) requests.set(name, {name, summary: "", values: {}});
      return requests.get(name);
    };
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {}))
      for (const [name, example] of Object.entries(media.examples ?? {}))
        Object.assign(named(name), {type, body: textOf(example.value), summary: example.summary});
    for (const parameter of operation.parameters)
      for (const [name, example] of Object.entries(parameter.examples ?? {})) {
        const request = named(name);
        request.values[parameter.name] = String(example.value);
        request.summary ||= example.summary;
      }
    if (requests.size) return [...requests.values()];
    const [media] = Object.values(operation.responses[0].content);
    const [name] = Object.keys(media.examples ?? {[operation.id]: {}});
    return [{name, summary: operation.summary, values: {}}];
  }

  /** The answer that the document gives for a request: {status, type, body}; undefined without one. */
  answer(operation, name) {
    for (const {status, content} of operation.responses)
      for (const [type, media] of Object.entries(content ?? {}))
        if (media.examples?.[name]) return {status, type, body: textOf(media.examples[name].value)};
    return undefined;
  }
}

/** As a person reads it: JSON in several lines, a text as it is. */
export function textOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
