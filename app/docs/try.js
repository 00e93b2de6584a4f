// A form that sends an operation's request to this service and shows the answer.

import { element } from "./dom.js";
import { resolved, sample } from "./schema.js";

const STREAM_MILLISECONDS = 3000;
const BEGINNINGS = { workspace: "default", name: "llama", version: "1" };

/** The form of an operation. */
export function tryForm(document, path, method, operation, parameters) {
  const fields = parameters.map((parameter) => [parameter, input(parameter)]);
  const body = operation.requestBody && bodyField(document, operation.requestBody);
  const answer = element("div", { class: "answer", "aria-live": "polite" });
  const rare = fields.filter(([parameter]) => parameter.in !== "path" && !parameter.name.startsWith("page"));
  const usual = fields.filter((field) => !rare.includes(field));
  const send = async (event) => {
    event.preventDefault();
    const request = requestOf(path, method, fields, body);
    answer.replaceChildren(element("p", {}, "Waiting for the answer …"));
    answer.replaceChildren(...(await outcome(request)));
  };
  return element(
    "form",
    { class: "try", submit: send },
    element("h4", {}, "Try it"),
    usual.map(labelled),
    rare.length > 0 && element("details", {}, element("summary", {}, "Query and headers"), rare.map(labelled)),
    body && element("label", {}, element("span", {}, "body"), body),
    element("button", { type: "submit", class: method }, `Send ${method.toUpperCase()}`),
    answer,
  );
}

function input(parameter) {
  return element("input", {
    value: parameter.in === "path" ? (BEGINNINGS[parameter.name] ?? "") : "",
    placeholder: parameter.schema?.default ?? "",
    required: parameter.required,
    spellcheck: "false",
    autocomplete: "off",
  });
}

function labelled([parameter, field]) {
  return element("label", {}, element("span", {}, parameter.name), field);
}

function bodyField(document, requestBody) {
  const { schema } = requestBody.content["application/json"];
  const text = JSON.stringify(sample(document, resolved(document, schema)), null, 2);
  return element("textarea", { rows: text.split("\n").length + 1, spellcheck: "false" }, text);
}

function requestOf(path, method, fields, body) {
  const query = new URLSearchParams();
  const headers = body ? { "Content-Type": "application/json" } : {};
  let target = path;
  for (const [{ name, in: place }, { value }] of fields) {
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && place === "query") query.append(name, value);
    else if (value !== "") headers[name] = value;
  }
  const url = query.size > 0 ? `${target}?${query}` : target;
  return { url, method: method.toUpperCase(), headers, body: body?.value };
}

async function outcome(request) {
  const command = element("pre", { class: "command" }, curl(request));
  try {
    const { url, ...options } = request;
    const response = await fetch(url, { ...options, cache: "no-store" });
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const kind = response.ok ? "good" : "bad";
    return [
      command,
      element("p", { class: `status ${kind}` }, `${response.status} ${response.statusText}`),
      element("pre", {}, headers),
      element("pre", {}, await bodyOf(response)),
    ];
  } catch (error) {
    return [command, element("p", { class: "status bad" }, `No answer: ${error.message}`)];
  }
}

async function bodyOf(response) {
  const endless = response.headers.get("content-type")?.startsWith("text/event-stream");
  return endless ? beginning(response.body.getReader()) : pretty(await response.text());
}

// What arrives in the first seconds of an answer that does not end.
async function beginning(reader) {
  const decoder = new TextDecoder();
  const over = new Promise((resolve) => setTimeout(resolve, STREAM_MILLISECONDS, { done: true }));
  let text = "";
  for (;;) {
    const { value, done } = await Promise.race([reader.read(), over]);
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return `${text}\n(after ${STREAM_MILLISECONDS / 1000} seconds)`;
}

function curl({ url, method, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl -i -X ${method} ${quoted(window.location.origin + url)}`];
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
