/**
 * Encoders that are also the checks: each turns one value into its only JSON text, or throws. Text is ASCII (what is
 * outside is escaped), members stand in the order of the declaration, nothing unknown passes. So a text is well formed
 * exactly when parsing and encoding it again gives the same bytes; that settles order, duplicate members, whitespace
 * and escapes at once.
 */
export type Encoder = (value: unknown) => string;

/** The value has no canonical text of this form. */
export class FormError extends Error {
  override name = "FormError";
}

/** A member that may be left out. */
interface OptionalMember {
  readonly optional: Encoder;
}

export type Members = Readonly<Record<string, Encoder | OptionalMember>>;

export function optional(encoder: Encoder): OptionalMember {
  return { optional: encoder };
}

export const integer: Encoder = (value) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new FormError("not an integer");
  return String(value);
};

export const boolean: Encoder = (value) => {
  if (typeof value !== "boolean") throw new FormError("not a boolean");
  return value ? "true" : "false";
};

/** A string that matches; the pattern must not admit anything that JSON escapes. */
export function plain(pattern: RegExp): Encoder {
  return (value) => {
    if (typeof value !== "string" || !pattern.test(value)) throw new FormError("not of the pattern");
    return `"${value}"`;
  };
}

/** Any string of at most `limit` UTF-16 units. */
export function text(limit: number): Encoder {
  return (value) => {
    if (typeof value !== "string" || value.length > limit) throw new FormError("not a text of this size");
    return encodeText(value);
  };
}

function encodeText(value: string): string {
  if (/^[ !#-[\]-~]*$/.test(value)) return `"${value}"`;
  const json = JSON.stringify(value);
  return /^[ -~]*$/.test(json) ? json : json.replace(/[^ -~]/g, escapeUnit);
}

/** PEM text: line ends are all that JSON escapes in it. */
export function pemText(limit: number): Encoder {
  return (value) => {
    if (typeof value !== "string" || value.length > limit) throw new FormError("not a text of this size");
    return /^[A-Za-z0-9+/= \n-]*$/.test(value) ? `"${value.replaceAll("\n", "\\n")}"` : encodeText(value);
  };
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One constant. */
export function constant(expected: string | number): Encoder {
  const json = JSON.stringify(expected);
  return (value) => {
    if (value !== expected) throw new FormError("not the constant");
    return json;
  };
}

export function list(encoder: Encoder): Encoder {
  return (value) => {
    if (!Array.isArray(value)) throw new FormError("not a list");
    return `[${value.map((member) => encoder(member)).join(",")}]`;
  };
}

/** Strings go to the first encoder, everything else to the second. */
export function stringOr(forString: Encoder, forOther: Encoder): Encoder {
  return (value) => (typeof value === "string" ? forString(value) : forOther(value));
}

/** An object with these members and no others. */
export function object(members: Members): Encoder {
  const declared = Object.entries(members).map(([key, member]) => ({
    key,
    prefix: `${JSON.stringify(key)}:`,
    isOptional: typeof member !== "function",
    encode: typeof member === "function" ? member : member.optional,
  }));
  return (value) => {
    if (typeof value !== "object" || value === null) throw new FormError("not an object");
    const given = value as Readonly<Record<string, unknown>>;
    let json = "{";
    let count = 0;
    for (const { key, prefix, isOptional, encode } of declared) {
      const member = given[key];
      if (member === undefined) {
        if (!isOptional) throw new FormError("a member is missing");
        continue;
      }
      json += (count === 0 ? prefix : `,${prefix}`) + encode(member);
      count++;
    }
    if (Object.keys(given).length !== count) throw new FormError("a member that is not known");
    return `${json}}`;
  };
}

/** An object whose form depends on one of its members. */
export function variant(tag: string, forms: ReadonlyMap<unknown, Encoder>): Encoder {
  return (value) => {
    const encode = forms.get((value as Readonly<Record<string, unknown>> | null | undefined)?.[tag]);
    if (encode === undefined) throw new FormError("an unknown variant");
    return encode(value);
  };
}
