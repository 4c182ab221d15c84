/** The record that a task is about to write: one for all, filled anew each time. */
import type { OutputRecord } from './output-buffer.ts';
import type { LogHeader } from './record-batch.ts';
import { writeUtf8 } from './utf8.ts';

const NO_BYTES = new Uint8Array(0);

export class OutputDraft {
  topic = '';
  partition = 0;
  /** `keyBytes[0, keyLength)`; null when the length is negative. */
  keyBytes: Uint8Array = NO_BYTES;
  keyLength = -1;
  valueBytes: Uint8Array = NO_BYTES;
  valueLength = -1;
  headers: readonly LogHeader[] = [];
  /** Log time of the input that caused it. */
  timestampMs = -1;
  #keyText = new Uint8Array(64);

  setKey(key: string | Uint8Array | null): void {
    if (key === null) {
      this.keyLength = -1;
      return;
    }
    if (typeof key !== 'string') {
      this.keyBytes = key;
      this.keyLength = key.length;
      return;
    }
    // a UTF-16 unit takes three bytes at most
    if (key.length * 3 > this.#keyText.length) this.#keyText = new Uint8Array(key.length * 3);
    this.keyBytes = this.#keyText;
    this.keyLength = writeUtf8(key, this.#keyText);
  }

  setValue(bytes: Uint8Array | null): void {
    this.valueBytes = bytes ?? NO_BYTES;
    this.valueLength = bytes === null ? -1 : bytes.length;
  }

  /** A copy to keep. */
  toRecord(): OutputRecord {
    const { topic, partition, headers, timestampMs } = this;
    // `slice` of a Buffer is no copy
    const key = this.keyLength < 0 ? null : new Uint8Array(this.keyBytes.subarray(0, this.keyLength));
    const value = this.valueLength < 0 ? null : new Uint8Array(this.valueBytes.subarray(0, this.valueLength));
    return { topic, partition, key, value, headers, timestampMs };
  }
}
