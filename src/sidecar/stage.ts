/**
 * What a stage is. A handler answers the exchange or throws; a stage wraps a handler: it hands on to `next`, answers, or
 * throws. There is no fourth way, and silence is never consent: the server asserts that every exchange was answered.
 *
 * The first stage is async, so what a later one throws, at once or in time, ends as one rejection; a stage that waits for nothing is
 * a plain function and costs no promise.
 *
 * `Stage<In, Out>`: what it needs to be known of the exchange, and what is known after it. A wrong order does not compile.
 */
export type Handler<Known> = (exchange: Known) => Promise<void>;
export type Stage<In, Out extends In> = (next: Handler<Out>) => Handler<In>;

/** Builds a handler from stages, first to last as they are written. */
export class Pipeline<First, Last extends First> {
  readonly #wrap: (last: Handler<Last>) => Handler<First>;
  private constructor(wrap: (last: Handler<Last>) => Handler<First>) {
    this.#wrap = wrap;
  }
  /** An empty pipeline: what comes in goes to the end. */
  static from<Known>(): Pipeline<Known, Known> {
    return new Pipeline<Known, Known>((last) => last);
  }
  /** Appends a stage. */
  through<Out extends Last>(stage: Stage<Last, Out>): Pipeline<First, Out> {
    return new Pipeline<First, Out>((last) => this.#wrap(stage(last)));
  }
  /** Ends the list with the handler that answers. */
  into(last: Handler<Last>): Handler<First> {
    return this.#wrap(last);
  }
}
