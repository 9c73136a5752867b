import { Refusal } from "../refusal.ts";
import { parsePem } from "../x509/pem.ts";
import type { RegistrationRequest, RequestedOverride } from "./registrar.ts";
import { type JsonObject, parseStrictJson } from "./strict-json.ts";

/**
 * Reads the body of `POST /sign` as far as its shape: texts, and sections of texts as `overrides`.
 * @throws Refusal malformed
 */
export function parseSignFields(body: Uint8Array): JsonObject {
  const fields = parseStrictJson(body);
  refuseOtherShapes(fields);
  return fields;
}

/**
 * Only what stands in `RegistrationRequest` is used; other names with a text as their value, such as
 * `use-ostree-server`, are passed over.
 * @throws Refusal malformed
 */
export function readSignRequest(fields: JsonObject): RegistrationRequest {
  // Boards have no credentials of their own: none may choose its group.
  if (textOf(fields, "group") !== "") {
    throw malformed(
      "group",
      "The device asks for a group; groups are set on the appliance. Leave the group option out.",
    );
  }
  return {
    uuid: required(fields, "uuid"),
    name: textOf(fields, "name"),
    hardwareId: required(fields, "hardware-id"),
    csrDer: parsePem(required(fields, "csr"), "CERTIFICATE REQUEST"),
    sotaConfigDir: textOf(fields, "sota-config-dir"),
    overrides: overridesOf(fields),
  };
}

function refuseOtherShapes(fields: JsonObject): void {
  for (const [name, value] of fields) {
    if (typeof value !== "string" && name !== "overrides") {
      throw malformed(
        "",
        "A value in the request's JSON is no text; registration clients send texts and overrides only.",
      );
    }
  }
}

function textOf(fields: JsonObject, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}

function required(fields: JsonObject, name: string): string {
  const value = textOf(fields, name);
  if (value === "") throw malformed(name, `The request has no ${name}; the registration client must send it.`);
  return value;
}

function overridesOf(fields: JsonObject): RequestedOverride[] {
  const sections = fields.get("overrides") ?? new Map();
  if (typeof sections === "string") throw notSections();
  const overrides: RequestedOverride[] = [];
  for (const [section, keys] of sections) {
    if (keys === null || typeof keys === "string") throw notSections();
    for (const [key, value] of keys) overrides.push(overrideOf(section, key, value));
  }
  return overrides;
}

function overrideOf(section: string, key: string, value: unknown): RequestedOverride {
  if (value === null) return { section, key };
  if (typeof value !== "string") throw notSections();
  return { section, key, value };
}

function notSections(): Refusal {
  return malformed("overrides", "The request's overrides must be sections of keys with a text each.");
}

function malformed(field: string, sentence: string): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { field });
}
