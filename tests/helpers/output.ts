/** What a program writes, as it comes. */
export class Output {
  /** Settled when all streams have come to their end. */
  readonly ended: Promise<void>;
  readonly #texts: string[] = [];
  #isEnded = false;
  #heard = Promise.withResolvers<void>();

  constructor(...streams: readonly ReadableStream<Uint8Array>[]) {
    this.ended = this.#followAll(streams);
  }

  /** Whether all streams have come to their end. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What there is so far, of one stream after the other. */
  get text(): string {
    return this.#texts.join("");
  }

  /**
   * Waits until one of the streams has a text, or matches a pattern.
   *
   * @returns What that stream has so far.
   * @throws {Error} If they end before.
   */
  async has(wanted: string | RegExp): Promise<string> {
    const isIn = (text: string) =>
      typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
    while (true) {
      const found = this.#texts.find(isIn);
      if (found !== undefined) return found;
      if (this.#isEnded) throw new Error(`it ended without ${wanted}: ${this.text}`);
      await this.#heard.promise;
    }
  }

  async #followAll(streams: readonly ReadableStream<Uint8Array>[]): Promise<void> {
    await Promise.all(streams.map((stream, index) => this.#follow(stream, index)));
    this.#isEnded = true;
    this.#heard.resolve();
  }

  async #follow(stream: ReadableStream<Uint8Array>, index: number): Promise<void> {
    this.#texts[index] = "";
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      this.#texts[index] += piece;
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    }
  }
}
