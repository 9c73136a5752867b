import { Refusal } from "../refusal.ts";

/** What a body may consist of: texts, nulls, and objects as Maps, so that no name in it is special. */
export type JsonNode = string | null | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonNode>;

/** The body, `overrides`, and a section in it. */
const MAX_DEPTH = 3;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SPACE = /[ \t\n\r]*/y;
/** RFC 8259 §7. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;

/**
 * Reads a body that is one JSON object (RFC 8259) of texts, nulls and such objects, at most three deep. A name twice
 * in one object is refused: two readers could believe different ones.
 * @throws Refusal REQUEST-FIELD, malformed
 */
export function parseStrictJson(bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw malformed("The request's body is not UTF-8 text; send the JSON that a registration client makes.", cause);
  }
  const reader = new Reader(text);
  const object = reader.readObject(1);
  reader.expectEnd();
  return object;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readObject(depth: number): JsonObject {
    if (depth > MAX_DEPTH) throw malformed("The request's JSON is nested too deeply.");
    this.#expect("{");
    const object = new Map<string, JsonNode>();
    if (this.#skips("}")) return object;
    do {
      const name = this.#readString();
      this.#expect(":");
      if (object.has(name)) throw malformed("The request's JSON has one name twice in an object; send it once.");
      object.set(name, this.#readNode(depth));
    } while (this.#skips(","));
    this.#expect("}");
    return object;
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at !== this.#text.length) throw malformed("The request's body goes on after its JSON object.");
  }

  #readNode(depth: number): JsonNode {
    this.#skipSpace();
    if (this.#text[this.#at] === "{") return this.readObject(depth + 1);
    if (this.#text.startsWith("null", this.#at)) {
      this.#at += 4;
      return null;
    }
    return this.#readString();
  }

  #readString(): string {
    this.#skipSpace();
    const token = this.#match(STRING);
    if (token === "") {
      throw malformed(
        'The request\'s body is not a JSON object whose values are all texts in quotation marks, as in "true".',
      );
    }
    const value: string = JSON.parse(token);
    if (!value.isWellFormed()) throw malformed("The request's JSON has half of a Unicode character in a text.");
    return value;
  }

  #expect(sign: string): void {
    if (!this.#skips(sign)) throw malformed("The request's body is not a JSON object as registration clients send it.");
  }

  #skips(sign: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += token.length;
    return token;
  }
}

function malformed(sentence: string, cause?: unknown): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { cause });
}
