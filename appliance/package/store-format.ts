/**
 * The number of what stands in /var/lib/airlock: journal, index and ledger together. It goes up with the first release
 * that writes what an older one could misread; the package then refuses to be put over a newer store.
 */
export const STORE_FORMAT = 1;
