const BAR_WIDTH = 20;
const REDRAW_MS = 100;

/** Long work on a screen: a bar that moves on a terminal, one line per phase elsewhere. Writes to stderr. */
export interface Progress {
  phase(label: string): void;
  advance(done: number, of: number): void;
  /** Ends the last phase's line. */
  end(): void;
}

export function openProgress(): Progress {
  return process.stderr.isTTY ? new Bar() : new Lines();
}

class Bar implements Progress {
  #label = "";
  #drawnAt = 0;
  #startedAt = 0;

  phase(label: string): void {
    this.end();
    this.#label = label;
    this.#startedAt = Date.now();
    process.stderr.write(`  ${label}`);
  }

  advance(done: number, of: number): void {
    const now = Date.now();
    if (now - this.#drawnAt < REDRAW_MS && done < of) return;
    this.#drawnAt = now;
    const share = of === 0 ? 1 : done / of;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, "-");
    process.stderr.write(
      `\r\x1b[K  ${this.#label.padEnd(28)} [${bar}] ${Math.floor(share * 100)}%${this.#eta(share, now)}`,
    );
  }

  end(): void {
    if (this.#label !== "") process.stderr.write("\n");
    this.#label = "";
  }

  #eta(share: number, now: number): string {
    const elapsedMs = now - this.#startedAt;
    if (share <= 0 || share >= 1 || elapsedMs < 2_000) return "";
    return `  eta ${Math.ceil(((elapsedMs / share) * (1 - share)) / 1_000)} s`;
  }
}

class Lines implements Progress {
  phase(label: string): void {
    process.stderr.write(`  ${label}\n`);
  }

  advance(): void {}

  end(): void {}
}
