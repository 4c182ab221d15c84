/** For tests: a certificate for 127.0.0.1 that its own key has signed (X.509 version 3, RFC 5280, in DER). */
import { generateKeyPairSync, sign } from 'node:crypto';

export type TestCertificate = { readonly key: string; readonly cert: string };

export function testCertificate(): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(objectId([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
  const name = sequence(tagged(SET, sequence(objectId([0x55, 0x04, 0x03]), text('test origin'))));
  const validity = sequence(time('20200101000000Z'), time('21200101000000Z'));
  const address = sequence(tagged(0x87, Buffer.from([127, 0, 0, 1])));
  const alternative = sequence(objectId([0x55, 0x1d, 0x11]), tagged(OCTETS, address));
  const content = sequence(
    ...[tagged(0xa0, integer(2)), integer(1), algorithm, name, validity, name],
    ...[publicKey.export({ type: 'spki', format: 'der' }), tagged(0xa3, sequence(alternative))],
  );
  const signature = tagged(BITS, Buffer.concat([Buffer.from([0]), sign('sha256', content, privateKey)]));
  const der = sequence(content, algorithm, signature);
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

const [SEQUENCE, SET, OCTETS, BITS] = [0x30, 0x31, 0x04, 0x03];

function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(SEQUENCE, ...parts);
}

function objectId(bytes: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(bytes));
}

function integer(value: number): Buffer {
  return tagged(0x02, Buffer.from([value]));
}

function text(value: string): Buffer {
  return tagged(0x0c, Buffer.from(value));
}

function time(value: string): Buffer {
  return tagged(0x18, Buffer.from(value));
}
