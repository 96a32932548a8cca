/**
 * Keeps what ends a hold apart from what makes it again: a hold that is read as running has to run until it is told. Both are rare beside
 * each other, so a command that meets nobody waits for nothing. Whoever waits goes on in the order in which it came.
 */
export class Gate {
  #alone: Promise<void> | undefined;
  /** Commands that have passed and are not answered, and who waits until none is. */
  #underWay = 0;
  #allAnswered: (() => void) | undefined;

  /** Undefined: nobody is alone, and nothing is to be waited for. Asked again after each wait. */
  get closed(): Promise<void> | undefined {
    return this.#alone;
  }

  /** Runs a command that ends or corrects holds, at once where nobody is alone. */
  async pass<Answer>(command: () => Promise<Answer>): Promise<Answer> {
    while (this.#alone !== undefined) await this.#alone;
    this.#underWay++;
    try {
      return await command();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#allAnswered?.();
    }
  }

  /** Lets nothing pass, waits until what has passed is answered, and runs. One at a time; must not pass itself. */
  async runAlone(run: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      if (this.#underWay > 0) await this.#answered();
      await run();
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }

  #answered(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allAnswered = resolve;
    return promise;
  }
}
