// The page: what the service says of itself in /schema/openapi.json, laid out for people.

import { element, inline, markdown, unfolding } from "./dom.js";
import { resolved, shape, typed } from "./schema.js";
import { tryForm } from "./try.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const PLACES = { path: "Path", query: "Query", header: "Headers" };
const IDENTITY = /^X-(NMP-Principal|Request-Id)/;

const response = await fetch("/schema/openapi.json");
show(await response.json());

function show(description) {
  const { info } = description;
  document.getElementById("version").textContent = info.version;
  const main = document.getElementById("main");
  const list = document.getElementById("operations");
  main.append(element("section", { id: "overview" }, element("h1", {}, info.title), markdown(info.description)));
  for (const tag of description.tags) {
    const operations = operationsOf(description, tag.name);
    const articles = operations.map((operation) => article(description, operation));
    main.append(element("section", {}, element("h2", {}, tag.name), markdown(tag.description), articles));
    list.append(element("h3", {}, tag.name), element("ul", {}, operations.map(link)));
  }
  document.getElementById("search").addEventListener("input", (event) => search(list, event.target.value));
  window.addEventListener("hashchange", unfoldNamed);
  unfoldNamed();
}

function operationsOf(description, tag) {
  const found = [];
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((each) => item[each]?.tags.includes(tag))) {
      const parameters = [...item.parameters, ...item[method].parameters];
      found.push({ path, method, operation: item[method], parameters: parameters.map((part) => resolved(description, part)) });
    }
  }
  return found;
}

function link({ method, operation, path }) {
  const name = element("span", { class: `method ${method}` }, method);
  return element("li", { "data-words": `${method} ${path} ${operation.summary}`.toLowerCase() }, element("a", { href: `#${operation.operationId}` }, name, operation.summary));
}

function article(description, { path, method, operation, parameters }) {
  const summary = [
    element("span", { class: `method ${method}` }, method),
    element("code", { class: "path" }, path.split(/(\{\w+\})/).map((part) => (part.startsWith("{") ? element("var", {}, part) : part))),
    element("span", { class: "summary" }, operation.summary),
  ];
  return unfolding(summary, { id: operation.operationId, class: "operation" }, () =>
    element(
      "div",
      { class: "content" },
      element("div", {}, markdown(operation.description), ...parameterTables(description, parameters), ...body(description, operation), ...answers(description, operation)),
      tryForm(description, path, method, operation, parameters),
    ),
  );
}

function parameterTables(description, parameters) {
  const own = parameters.filter(({ name }) => !IDENTITY.test(name));
  const identity = parameters.filter(({ name }) => IDENTITY.test(name));
  const tables = Object.entries(PLACES).map(([place, title]) => {
    const here = own.filter((parameter) => parameter.in === place);
    return here.length > 0 && [element("h4", {}, title), parameterList(description, here)];
  });
  return [...tables.filter(Boolean).flat(), unfolding("Headers of every request", { class: "nested" }, () => parameterList(description, identity))];
}

function parameterList(description, parameters) {
  const rows = parameters.map((parameter) => {
    const schema = parameter.schema ?? parameter.content["application/json"].schema;
    const fields = schema.$ref && unfolding("Fields", { class: "nested" }, () => shape(description, schema));
    return element(
      "li",
      {},
      element("code", { class: "name" }, parameter.name),
      parameter.required && element("span", { class: "required" }, "required"),
      typed(description, schema),
      element("div", { class: "about" }, inline(parameter.description)),
      fields,
    );
  });
  return element("ul", { class: "fields" }, rows);
}

function body(description, operation) {
  if (!operation.requestBody) return [];
  return [element("h4", {}, "Body"), element("div", {}, shape(description, operation.requestBody.content["application/json"].schema))];
}

function answers(description, operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const kind = status < 400 ? "good" : "bad";
    const [first] = answer.description.split("\n");
    const many = answer.description.startsWith("- ");
    const summary = [element("span", { class: `status ${kind}` }, status), element("span", {}, inline(many ? "Refused, for one of these reasons:" : first))];
    return unfolding(summary, { class: "response" }, () => [
      many ? element("div", {}, markdown(answer.description)) : "",
      headerList(description, answer.headers),
      ...Object.entries(answer.content ?? {}).map(([type, { schema }]) => element("div", {}, element("code", {}, type), " ", typed(description, schema), shape(description, schema))),
    ]);
  });
  return [element("h4", {}, "Answers"), ...rows];
}

function headerList(description, headers = {}) {
  const names = Object.keys(headers).map((name) => {
    const header = resolved(description, headers[name]);
    return element("li", {}, element("code", { class: "name" }, name), typed(description, header.schema), element("div", { class: "about" }, inline(header.description)));
  });
  return unfolding("Headers", { class: "nested" }, () => element("ul", { class: "fields" }, names));
}

function search(list, text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const item of list.querySelectorAll("li")) {
    item.hidden = !words.every((word) => item.dataset.words.includes(word));
  }
}

function unfoldNamed() {
  const named = document.getElementById(window.location.hash.slice(1));
  if (named instanceof HTMLDetailsElement && !named.open) {
    // What it holds is made first: before that the page may be too short to scroll to it.
    named.addEventListener("toggle", () => named.scrollIntoView(), { once: true });
    named.open = true;
  } else {
    named?.scrollIntoView();
  }
}
