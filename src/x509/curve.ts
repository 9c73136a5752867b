/** A short Weierstrass curve y² = x³ - 3x + b over the prime p (FIPS 186-4 appendix D.1.2). */
export interface Curve {
  readonly p: bigint;
  readonly b: bigint;
  /** Octets of one coordinate. */
  readonly size: number;
}

export const P256: Curve = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  size: 32,
};

export const P384: Curve = {
  p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  size: 48,
};

/** Whether x‖y are reduced coordinates of a point on the curve; both curves have cofactor 1, so that is enough. */
export function isOnCurve({ p, b, size }: Curve, xy: Buffer): boolean {
  const x = BigInt(`0x${xy.toString("hex", 0, size)}`);
  const y = BigInt(`0x${xy.toString("hex", size, 2 * size)}`);
  if (x >= p || y >= p) return false;
  return (y * y - (x * x * x - 3n * x + b)) % p === 0n;
}
