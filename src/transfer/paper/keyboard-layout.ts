/** What a key with this US character types elsewhere, for the characters of a code's head and data. */
const US = "0123456789.ABCDEFGHIJKLMNOPQRSTUV";
const LAYOUTS: Readonly<Record<string, string>> = {
  French: "à&é\"'(-è_ç:QBCDEFGHIJKL?NOPARSTUV",
  "French (capitals)": "0123456789/QBCDEFGHIJKL?NOPARSTUV",
  Belgian: "à&é\"'(§è!ç:QBCDEFGHIJKL?NOPARSTUV",
  Dvorak: '0123456789VAXJE>UIDCHTNMBRL"POYGK',
};

/**
 * The keyboard layout through which a scanner's text was garbled, if it is one of the common ones; undefined
 * otherwise. The text itself is never repaired: the operator sets the scanner right once.
 */
export function findWrongLayout(text: string): string | undefined {
  for (const [layout, typed] of Object.entries(LAYOUTS)) {
    const back = [...text.toUpperCase()].map(
      (character) => US[typed.indexOf(character.toLowerCase())] ?? US[typed.indexOf(character)] ?? "?",
    );
    if (/^ALR1\.[1-9]/.test(back.join(""))) return layout.split(" ")[0];
  }
  return undefined;
}
