/** Memory for held blobs: taking waits until enough has been given back. */
export class MemoryBudget {
  readonly size: number;
  #free: number;
  readonly #waiting: { bytes: number; resume: () => void }[] = [];

  constructor(size: number) {
    this.size = this.#free = size;
  }

  async take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && bytes <= this.#free) {
      this.#free -= bytes;
      return;
    }
    await new Promise<void>((resume) => this.#waiting.push({ bytes, resume }));
  }

  giveBack(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#waiting[0]; next && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.resume();
    }
  }
}
