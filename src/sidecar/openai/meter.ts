/** What all meters share: how they end, and how they count output. */
import { EventFields } from "./event-fields.ts";
import { EventScan } from "./event-scan.ts";
import type { EventObserver } from "./sse.ts";
import { createTally, errorCodeOf, type Tally, type Terminal } from "./tally.ts";

/** An observer that counts. */
export interface StreamMeter extends EventObserver {
  readonly tally: Tally;
  /** Called once, inside `event`, when the terminal event is seen and before it is forwarded: settle here. */
  onTerminal?: () => void;
}

/** Base of the meters; `event` is theirs. */
export abstract class Meter implements StreamMeter {
  readonly tally = createTally();
  onTerminal?: () => void;
  protected readonly fields = new EventFields();
  protected readonly scan = new EventScan();

  abstract event(bytes: Buffer, start: number, end: number): boolean;

  protected end(terminal: Terminal): void {
    if (this.tally.terminal !== undefined) return;
    this.tally.terminal = terminal;
    this.onTerminal?.();
  }

  protected fail(error: unknown): void {
    this.tally.errorCode ??= errorCodeOf(error);
    this.end("failed");
  }

  protected addOutput(): void {
    const { outputBytes, mediaBytes } = this.scan;
    if (outputBytes + mediaBytes === 0) return;
    this.tally.deltaEvents += 1;
    this.tally.outputBytes += outputBytes;
    this.tally.mediaBytes += mediaBytes;
  }
}
