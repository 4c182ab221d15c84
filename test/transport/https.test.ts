/** HLS over HTTPS from an origin whose certificate nobody has signed but itself. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ffmpeg, temporaryFolder } from '../../producers/ingest/testing.ts';
import { testCertificate } from '../../producers/ingest/testing-certificate.ts';
import { startTestOrigin } from '../../producers/ingest/testing-origin.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/everyview.mjs', import.meta.url));

test('a certificate that is not trusted is an error that says what to do, and is read once it is', async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder.remove());
  const at = (name: string) => join(folder.path, name);
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=25:duration=3'];
  const cutting = ['-c:v', 'mpeg2video', '-g', '25', '-f', 'hls', '-hls_time', '1', '-hls_list_size', '0'];
  await ffmpeg(...pictures, ...cutting, '-hls_segment_filename', at('%d.ts'), at('all.m3u8'));
  const certificate = testCertificate();
  writeFileSync(at('origin.pem'), certificate.cert);
  const origin = await startTestOrigin((path) => ({ body: readFileSync(at(path.slice(1))) }), certificate);
  t.after(() => origin.stop());

  const analyze = (env: NodeJS.ProcessEnv) =>
    new Promise<{ readonly out: string; readonly err: string }>((resolve) => {
      const words = ['analyze', `${origin.url}/all.m3u8`, '--allow', origin.allow, '--json'];
      const given = { ...process.env, EVERYVIEW_DATA_DIR: at('data'), ...env };
      execFile(process.execPath, [PROGRAM, ...words], { env: given }, (_error, out, err) =>
        resolve({ out, err }),
      );
    });
  const refused = await analyze({});
  assert.match(refused.err, /certificate of 127\.0\.0\.1:\d+ is not trusted .*NODE_EXTRA_CA_CERTS/);
  assert.deepEqual(origin.asked, []);
  const read = await analyze({ NODE_EXTRA_CA_CERTS: at('origin.pem') });
  assert.match(read.out, /"type":"summary".*"durationMs":3000/, read.err);
});
