import { sign } from "node:crypto";
import { Refusal } from "../../src/refusal.ts";
import { type DeviceCsr, parseDeviceCsr, verifyCsrProof } from "../../src/x509/csr.ts";
import { cppSubject, FACTORY, fixedKey, goSubject, makeCsr, NO_ATTRIBUTES, RULES, UUID } from "../x509/make-csr.ts";

/** One mutated CSR; the same seed and index give the same signed half in every run. */
export interface CsrMutant {
  readonly index: number;
  /** What was done to it, for the report of a finding. */
  readonly steps: readonly string[];
  /** The signed half was signed again with the right key, so that its own signature is no reason to refuse it. */
  readonly isSignedAgain: boolean;
  readonly der: Buffer;
}

export interface MutationTally {
  readonly count: number;
  /** Refusals by control id. */
  readonly refused: ReadonlyMap<string, number>;
  readonly accepted: readonly { readonly mutant: CsrMutant; readonly csr: DeviceCsr }[];
}

/** A tag-length-value that need not stay well-formed: `lengthForm` says how its length is written. */
interface Node {
  tag: number;
  lengthForm: "der" | "long" | "indefinite" | "wrong";
  content: Node[] | Buffer;
}

type Random = (below: number) => number;

const KEY = fixedKey("mutations");
/** Valid CSRs of both clients, with and without production and requested extensions. */
export const BASE_CSRS: readonly Buffer[] = [
  makeCsr(KEY),
  makeCsr(KEY, { subject: cppSubject(UUID, FACTORY, true) }),
  makeCsr(KEY, { subject: goSubject(), attributes: NO_ATTRIBUTES }),
  makeCsr(KEY, { subject: goSubject(UUID, FACTORY, true) }),
];

/** `count` structure-aware mutants of valid CSRs, half of them signed again. */
export function* mutateCsrs(seed: number, count: number): Generator<CsrMutant> {
  for (let index = 0; index < count; index++) {
    // Each index has its own stream: a finding is repeated alone.
    yield mutateCsr(seed, index);
  }
}

export function mutateCsr(seed: number, index: number): CsrMutant {
  const random = seededRandom(seed * 1_000_003 + index);
  const root = parseTree(pick(random, BASE_CSRS));
  const donor = parseTree(pick(random, BASE_CSRS));
  const isSignedAgain = random(2) === 0;
  const target = isSignedAgain && Array.isArray(root.content) ? (root.content[0] ?? root) : root;
  const steps = Array.from({ length: 1 + random(3) }, () => mutateNode(random, target, donor));
  const der = isSignedAgain ? signAgain(root) : encodeTree(root);
  return { index, steps, isSignedAgain, der: random(40) === 0 ? Buffer.concat([der, Buffer.of(random(256))]) : der };
}

/**
 * Runs every mutant through the parser and the proof. Throws when anything but a Refusal escapes.
 */
export function judgeCsrMutants(seed: number, count: number): MutationTally {
  const refused = new Map<string, number>();
  const accepted: { mutant: CsrMutant; csr: DeviceCsr }[] = [];
  for (const mutant of mutateCsrs(seed, count)) {
    try {
      const csr = parseDeviceCsr(mutant.der, RULES);
      verifyCsrProof(csr);
      accepted.push({ mutant, csr });
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw new Error(`seed ${seed}, mutant ${mutant.index}: not a Refusal`, { cause: error });
      }
      refused.set(error.control, (refused.get(error.control) ?? 0) + 1);
    }
  }
  return { count, refused, accepted };
}

function signAgain(root: Node): Buffer {
  const [info, algorithm, signature] = Array.isArray(root.content) ? root.content : [];
  if (info !== undefined && algorithm !== undefined && signature !== undefined) {
    const bits = sign("sha256", encodeTree(info), KEY.privateKey);
    signature.content = Buffer.concat([Buffer.of(0), bits]);
  }
  return encodeTree(root);
}

/** Mulberry32: small, fast, and the same everywhere. */
function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[random(list.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

function mutateNode(random: Random, root: Node, donor: Node): string {
  const names = Object.keys(MUTATIONS) as (keyof typeof MUTATIONS)[];
  const mutation = pick(random, names);
  const nodes = allNodes(root).filter(FITS[MUTATIONS[mutation].fits]);
  if (nodes.length === 0) return `${mutation} nowhere`;
  const node = pick(random, nodes);
  const tag = node.tag.toString(16);
  MUTATIONS[mutation].apply(random, node, donor);
  return `${mutation} at ${tag}`;
}

const FITS: Record<"any" | "leaf" | "parent" | "string", (node: Node) => boolean> = {
  any: () => true,
  leaf: ({ content }) => Buffer.isBuffer(content),
  parent: ({ content }) => Array.isArray(content) && content.length > 0,
  string: ({ tag, content }) => Buffer.isBuffer(content) && (tag === 0x0c || tag === 0x13),
};

const TAGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x14, 0x16, 0x1e, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0x3f];
const WORDS = [
  "",
  UUID,
  UUID.toUpperCase(),
  FACTORY,
  "production",
  "fio-device-register",
  "\0",
  "\u00e9",
  "x".repeat(300),
];
const OIDS = [
  "550403",
  "55040b",
  "55040f",
  "55040a",
  "551d0f",
  "551d13",
  "551d25",
  "2a864886f70d01090e",
  "2b06010505070301",
];

interface Mutation {
  readonly fits: keyof typeof FITS;
  apply(random: Random, node: Node, donor: Node): void;
}

const MUTATIONS = {
  flipBit: onBytes((random, bytes) => flipBit(random, bytes)),
  setByte: onBytes((random, bytes) => setByte(random, bytes)),
  truncate: onBytes((random, bytes) => bytes.subarray(0, random(bytes.length + 1))),
  append: onBytes((random, bytes) => Buffer.concat([bytes, Buffer.of(random(256))])),
  prepend: onBytes((random, bytes) => Buffer.concat([Buffer.of(random(2)), bytes])),
  useWord: onBytes((random) => Buffer.from(pick(random, WORDS))),
  useOid: onBytes((random) => Buffer.from(pick(random, OIDS), "hex")),
  removeChild: onChildren((random, list) => list.splice(random(list.length), 1)),
  repeatChild: onChildren((random, list) => list.splice(random(list.length), 0, copyOf(pick(random, list)))),
  reverseChildren: onChildren((_, list) => list.reverse()),
  rotateChildren: onChildren((_, list) => list.push(...list.splice(0, 1))),
  insertDonor: onChildren((random, list, donor) =>
    list.splice(random(list.length + 1), 0, copyOf(pick(random, allNodes(donor)))),
  ),
  swapStringType: {
    fits: "string",
    apply: (_, node) => {
      node.tag = node.tag === 0x0c ? 0x13 : 0x0c;
    },
  },
  setTag: {
    fits: "any",
    apply: (random, node) => {
      node.tag = pick(random, TAGS);
    },
  },
  setLengthForm: {
    fits: "any",
    apply: (random, node) => {
      node.lengthForm = pick(random, ["long", "indefinite", "wrong"] as const);
    },
  },
  replaceByDonor: {
    fits: "any",
    apply: (random, node, donor) => {
      Object.assign(node, copyOf(pick(random, allNodes(donor))));
    },
  },
  wrap: {
    fits: "any",
    apply: (random, node) => {
      Object.assign(node, { tag: pick(random, [0x30, 0x31, 0xa0]), lengthForm: "der", content: [copyOf(node)] });
    },
  },
} as const satisfies Record<string, Mutation>;

function onBytes(edit: (random: Random, bytes: Buffer) => Buffer): Mutation {
  return {
    fits: "leaf",
    apply: (random, node) => {
      if (Buffer.isBuffer(node.content)) node.content = edit(random, node.content);
    },
  };
}

function onChildren(edit: (random: Random, list: Node[], donor: Node) => unknown): Mutation {
  return {
    fits: "parent",
    apply: (random, node, donor) => {
      if (Array.isArray(node.content)) edit(random, node.content, donor);
    },
  };
}

function flipBit(random: Random, bytes: Buffer): Buffer {
  const flipped = Buffer.from(bytes);
  if (bytes.length === 0) return flipped;
  const at = random(bytes.length);
  flipped.writeUInt8(bytes.readUInt8(at) ^ (1 << random(8)), at);
  return flipped;
}

function setByte(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  if (bytes.length > 0) changed.writeUInt8(random(256), random(bytes.length));
  return changed;
}

function allNodes(node: Node): Node[] {
  return Array.isArray(node.content) ? [node, ...node.content.flatMap(allNodes)] : [node];
}

function copyOf(node: Node): Node {
  const content = Array.isArray(node.content) ? node.content.map(copyOf) : Buffer.from(node.content);
  return { ...node, content };
}

/** An own small reader, so that a fault in the package's reader does not hide from its test. */
function parseTree(bytes: Buffer): Node {
  const [node] = parseNodes(bytes);
  if (node === undefined) throw new Error("nothing to read");
  return node;
}

function parseNodes(bytes: Buffer): Node[] {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, first] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
    const extra = first < 0x80 ? 0 : first & 0x7f;
    const length = extra === 0 ? first : bytes.readUIntBE(at + 2, extra);
    const content = bytes.subarray(at + 2 + extra, at + 2 + extra + length);
    const isConstructed = (tag & 0x20) !== 0;
    nodes.push({ tag, lengthForm: "der", content: isConstructed ? parseNodes(content) : Buffer.from(content) });
    at += 2 + extra + length;
  }
  return nodes;
}

function encodeTree({ tag, lengthForm, content }: Node): Buffer {
  const inner = Array.isArray(content) ? Buffer.concat(content.map(encodeTree)) : content;
  const n = inner.length;
  const der = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  switch (lengthForm) {
    case "der":
      return Buffer.concat([Buffer.of(tag, ...der), inner]);
    case "long":
      return Buffer.concat([Buffer.of(tag, 0x83, 0, n >> 8, n & 0xff), inner]);
    case "indefinite":
      return Buffer.concat([Buffer.of(tag, 0x80), inner, Buffer.alloc(2)]);
    case "wrong":
      return Buffer.concat([Buffer.of(tag, (n + 1) & 0x7f), inner]);
  }
}
