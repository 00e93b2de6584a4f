// JSON Schemas as people read them, and values to begin a request with.

import { element, inline, unfolding } from "./dom.js";

const WITHOUT_NUL = "^[^\\u0000]*$";
const INTEGER_MAX = 2 ** 63;
const PATTERN_SHOWN_MAX = 24; // longer ones are told in words

/** What `#/components/…` stands for in the document; anything else stands for itself. */
export function resolved(document, part) {
  if (!part.$ref) return part;
  const target = part.$ref.slice(2).split("/").reduce((inner, key) => inner[key], document);
  return { ...target, ...part, $ref: undefined, name: target.name ?? part.$ref.split("/").at(-1) };
}

/** The fields of a schema, or what it may be, as a list to unfold. */
export function shape(document, schema) {
  const whole = resolved(document, schema);
  const variants = alternatives(whole);
  if (variants.length > 1) {
    return variants.map((variant) => element("div", { class: "variant" }, typed(document, variant), nested(document, variant)));
  }
  const only = resolved(document, variants[0]);
  if (only.properties) {
    const required = new Set(only.required);
    return element("ul", { class: "fields" }, Object.entries(only.properties).map(([name, field]) => row(document, name, field, required.has(name))));
  }
  if (only.items) return shape(document, only.items);
  if (typeof only.additionalProperties === "object") return shape(document, only.additionalProperties);
  return element("p", {}, typed(document, only));
}

/** A type in words, with its limits. */
export function typed(document, schema) {
  const parts = limits(schema).map((limit) => element("span", { class: "limit" }, limit));
  return element("span", { class: "type" }, label(document, schema), ...parts);
}

/** A value of the schema for a form to begin with: what is required, and what has an example. */
export function sample(document, schema) {
  const whole = resolved(document, schema);
  if (whole.examples) return whole.examples[0];
  if (whole.enum) return whole.enum[0];
  if (whole.properties) {
    const required = new Set(whole.required);
    const chosen = Object.entries(whole.properties).filter(([name, field]) => required.has(name) || field.examples);
    return Object.fromEntries(chosen.map(([name, field]) => [name, sample(document, field)]));
  }
  if (whole.default !== undefined) return whole.default;
  return { object: {}, array: [], string: "", boolean: false, integer: 0 }[whole.type] ?? null;
}

function row(document, name, field, required) {
  return element(
    "li",
    {},
    element("code", { class: "name" }, name),
    required && element("span", { class: "required", title: "always there" }, "required"),
    typed(document, field),
    element("div", { class: "about" }, inline(field.description)),
    nested(document, field),
  );
}

function nested(document, schema) {
  const inner = innermost(document, schema);
  if (!inner.properties && alternatives(inner).length < 2) return "";
  return unfolding("Fields", { class: "nested" }, () => shape(document, inner));
}

function innermost(document, schema) {
  const whole = resolved(document, schema);
  const variants = alternatives(whole);
  if (variants.length === 1 && variants[0] !== whole) return innermost(document, variants[0]);
  if (whole.items) return innermost(document, whole.items);
  return typeof whole.additionalProperties === "object" ? innermost(document, whole.additionalProperties) : whole;
}

/** What it may be beside null. */
function alternatives(schema) {
  return schema.anyOf?.filter((part) => part.type !== "null") ?? [schema];
}

function label(document, schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((part) => label(document, part)).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.items) return `list of ${label(document, schema.items)}`;
  if (typeof schema.additionalProperties === "object") return `map to ${label(document, schema.additionalProperties)}`;
  if (schema.format === "date-time") return "time";
  if (schema.format === "date") return "date";
  if (schema.properties) return `object of ${Object.keys(schema.properties).join(", ")}`;
  return [schema.type ?? "any value"].flat().join(" or ");
}

function limits(schema) {
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, pattern } = schema;
  return [
    minimum > -INTEGER_MAX && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum < INTEGER_MAX && `≤ ${maximum}`,
    minLength && (minLength === 1 ? "not empty" : `at least ${minLength} characters`),
    maxLength !== undefined && `at most ${maxLength} characters`,
    pattern && pattern !== WITHOUT_NUL && pattern.length <= PATTERN_SHOWN_MAX && `/${pattern}/`,
    schema.default !== undefined && schema.default !== null && `default ${JSON.stringify(schema.default)}`,
  ].filter(Boolean);
}
