import assert from "node:assert/strict";
import fc from "fast-check";
import { type JsonNode, type JsonObject, parseStrictJson } from "../../src/bridge/strict-json.ts";

function parse(text: string): JsonObject {
  return parseStrictJson(Buffer.from(text));
}

function plain(node: JsonNode): unknown {
  if (node === null || typeof node === "string") return node;
  const entries = [...node].map(([name, value]) => [name, plain(value)] as const);
  return Object.defineProperties(
    {},
    Object.fromEntries(entries.map(([name, value]) => [name, { value, enumerable: true }])),
  );
}

describe("strict JSON", () => {
  it("reads escapes, white space and nested objects", () => {
    const object = parse(' {\r\n\t"a" : "\\/\\u0041\\ud83d\\ude00\\n" , "b":{"c":{"d":""},"e":null} } ');
    assert.deepEqual(plain(object), { a: "/A😀\n", b: { c: { d: "" }, e: null } });
  });

  it("keeps the order of names", () => {
    assert.deepEqual([...parse('{"2":"","1":"","a":""}').keys()], ["2", "1", "a"]);
  });

  it("takes __proto__ for a name like any other", () => {
    const object = parse('{"__proto__":{"uuid":"x"}}');
    assert.deepEqual([...object.keys()], ["__proto__"]);
    assert.equal(object.get("uuid"), undefined);
  });

  const refused: [title: string, text: string | Buffer][] = [
    ["nothing", ""],
    ["white space", "  \n"],
    ["a bare text", '"a"'],
    ["null", "null"],
    ["an array", "[]"],
    ["a number as a value", '{"a":1}'],
    ["true as a value", '{"a":true}'],
    ["an array as a value", '{"a":["b"]}'],
    ["a comma at the end", '{"a":"b",}'],
    ["two commas", '{"a":"b",,"c":"d"}'],
    ["a missing colon", '{"a" "b"}'],
    ["a missing brace", '{"a":"b"'],
    ["a name without quotation marks", '{a:"b"}'],
    ["single quotation marks", "{'a':'b'}"],
    ["a comment", '{/**/"a":"b"}'],
    ["text after the object", '{"a":"b"} x'],
    ["two objects", "{}{}"],
    ["one name twice", '{"a":"1","a":"2"}'],
    ["one name twice, once escaped", '{"a":"1","\\u0061":"2"}'],
    ["one name twice in a section", '{"o":{"a":"1","a":"1"}}'],
    ["a raw newline in a text", '{"a":"b\nc"}'],
    ["a raw NUL in a text", '{"a":"\u0000"}'],
    ["an unknown escape", '{"a":"\\x41"}'],
    ["a short escape", '{"a":"\\u12"}'],
    ["half of a surrogate pair", '{"a":"\\ud800"}'],
    ["an unfinished text", '{"a":"b'],
    ["four levels", '{"a":{"b":{"c":{}}}}'],
    ["ten thousand levels", '{"a":'.repeat(10_000)],
    ["a byte order mark", "\ufeff{}"],
    ["a byte that is no UTF-8", Buffer.from('{"a":"\xff"}', "latin1")],
    ["an overlong encoding", Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')])],
    ["a surrogate in UTF-8", Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')])],
    ["UTF-16", Buffer.from('{"a":"b"}', "utf16le")],
    ["a no-break space between", '{\u00a0"a":"b"}'],
  ];
  for (const [title, text] of refused) {
    it(`REQUEST-FIELD refuses ${title}`, () => {
      assert.throws(() => parseStrictJson(Buffer.from(text)), { control: "REQUEST-FIELD", code: "malformed" });
    });
  }

  it("reads whatever JSON.stringify writes of texts and objects", () => {
    const text = fc.string({ unit: "grapheme" });
    const node = fc.oneof(text, fc.constant(null), fc.dictionary(text, fc.oneof(text, fc.dictionary(text, text))));
    fc.assert(
      fc.property(fc.dictionary(text, node), fc.constantFrom(undefined, 4), (object, indent) => {
        assert.deepEqual(plain(parse(JSON.stringify(object, undefined, indent))), JSON.parse(JSON.stringify(object)));
      }),
    );
  });

  it("accepts nothing that JSON.parse refuses", () => {
    const unit = fc.constantFrom("{", "}", '"', ":", ",", "a", "\\", "u", "0", "n", "null", " ", "[", "]", "\n", "\t");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 14 }), (text) => {
        const isAccepted = accepts(() => parse(text));
        assert.ok(!isAccepted || accepts(() => JSON.parse(text)), text);
      }),
      { numRuns: 5_000 },
    );
  });
});

function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
