/** The text of a request's body, whatever it was compressed with, up to a limit. */
import { gunzip, inflate, inflateRaw } from 'node:zlib';

/** What is wrong with a request, for its sender: `fix` says what to send instead. Neither holds anything of the request. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, fix: string, headers: Readonly<Record<string, string>> = {}) {
    super(code);
    this.name = 'RequestError';
    this.status = status;
    this.code = code;
    this.fix = fix;
    this.headers = headers;
  }
}

/** Throws a {@link RequestError}: 400 for bytes that cannot be unpacked, 413 beyond the limit, 415 for another encoding. */
export async function bodyText(
  bytes: Uint8Array,
  contentEncoding: string | undefined,
  bytesMax: number,
): Promise<string> {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase();
  return TEXT.decode(await unpacked(bytes, encoding, bytesMax));
}

export function tooLarge(bytesMax: number): RequestError {
  return new RequestError(
    413,
    'body-too-large',
    `a body has at most ${bytesMax} bytes, also when it is unpacked: send fewer reports at a time`,
  );
}

/** Bytes that are no UTF-8 become replacement characters, which cost the value that they stand in. */
const TEXT = new TextDecoder('utf-8');
const ZLIB_HEADER = 0x78;

async function unpacked(bytes: Uint8Array, encoding: string, bytesMax: number): Promise<Uint8Array> {
  switch (encoding) {
    case '':
    case 'identity':
      return bytes;
    case 'gzip':
    case 'x-gzip':
      return await unpack(gunzip, bytes, bytesMax);
    case 'deflate':
      // By the standard with zlib's header; some send it without.
      return await unpack(bytes[0] === ZLIB_HEADER ? inflate : inflateRaw, bytes, bytesMax);
    default:
      throw new RequestError(
        415,
        'unknown-encoding',
        'send the body with content-encoding gzip or deflate, or as it is',
        {
          'accept-encoding': 'gzip, deflate',
        },
      );
  }
}

function unpack(unpacker: typeof gunzip, bytes: Uint8Array, bytesMax: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    unpacker(bytes, { maxOutputLength: bytesMax }, (error, result) => {
      if (error === null) resolve(result);
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') reject(tooLarge(bytesMax));
      else
        reject(
          new RequestError(400, 'bad-compression', 'the body is not compressed as its content-encoding says'),
        );
    });
  });
}
