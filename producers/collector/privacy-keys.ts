/**
 * Keyed hashes in place of what points at a person. One secret per installation, a derived key for each purpose: whoever
 * holds a topic and guesses an address cannot check the guess without the secret.
 */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import path from 'node:path';

export type PrivacyKeys = {
  /** 24 hexadecimal digits for (tenant, session id). */
  sessionKeyOf(tenant: string, sessionId: string): string;
  /** 16 hexadecimal digits for an IP address; an IPv4 address has one hash, however it is written. */
  addressHashOf(address: string): string;
};

export class SecretError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SecretError';
  }
}

/** Throws {@link SecretError} when the secret has fewer than 32 bytes. */
export function privacyKeys(secret: Uint8Array): PrivacyKeys {
  if (secret.length < SECRET_BYTES) {
    throw new SecretError(
      `the collector's secret has ${secret.length} bytes, at least ${SECRET_BYTES} are needed`,
    );
  }
  const sessionSecret = derived(secret, 'everyview session key');
  const addressSecret = derived(secret, 'everyview address hash');
  return {
    sessionKeyOf: (tenant, sessionId) =>
      hmac(sessionSecret, `${tenant.length}:${tenant}${sessionId}`).slice(0, 24),
    addressHashOf: (address) => hmac(addressSecret, canonical(address)).slice(0, 16),
  };
}

/**
 * The secret in a file that its owner alone can read; made at first. Throws {@link SecretError} when others can read it,
 * or it holds none.
 */
export function secretFromFile(file: string): Uint8Array {
  if (!existsSync(file)) makeSecret(file);
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new SecretError(`others can read the collector's secret: run chmod 600 ${file}`);
  }
  return secretFromText(readFileSync(file, 'utf8'), file);
}

/** At least 64 hexadecimal digits. `from` names in the error where they were looked for; the digits are never told. */
export function secretFromText(text: string, from: string): Uint8Array {
  const digits = text.trim();
  if (!/^(?:[0-9a-fA-F]{2}){32,}$/.test(digits)) {
    throw new SecretError(`${from} holds no secret: put 64 hexadecimal digits there (openssl rand -hex 32)`);
  }
  return Buffer.from(digits, 'hex');
}

/** Whole or not at all, and never over another one: of two that start together one makes it and both read it. */
function makeSecret(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${randomBytes(SECRET_BYTES).toString('hex')}\n`, { flag: 'wx', mode: OWNER_ONLY });
  try {
    linkSync(draft, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  } finally {
    unlinkSync(draft);
  }
}

const SECRET_BYTES = 32;
const OWNER_ONLY = 0o600;

function derived(secret: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), purpose, SECRET_BYTES));
}

function hmac(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

function canonical(address: string): string {
  const mapped = address.toLowerCase().replace(/^::ffff:/, '');
  return isIPv4(mapped) ? mapped : address.toLowerCase().replace(/%.*$/, '');
}
