import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEPTHS } from '../../schemas/depths.ts';
import type { FrameFeatures } from '../../schemas/records.ts';
import { DETECTORS } from '../stream-detection.ts';
import { LOOK_COLUMNS, PICTURE_COLUMNS } from './chunk-order.ts';
import { DEFECT_TYPES } from './defect-types.ts';
import { isJudgedAt, notJudgedAt } from './depth-table.ts';
import { cut, defectsOf, draw, everySecond, type Looks, tell } from './drawn-stream.ts';

const LOOKS: Looks = {
  '.': {},
  b: { darkPermille: 1_000, still: true, diffMeanCenti: 0, lumaMeanCenti: 1_600 },
  s: { rmsCentiDbfs: [-9_000, -8_000] },
  '-': { without: 'audio' },
  '|': { without: 'video' },
};

const OF_PICTURES = [...PICTURE_COLUMNS, 'lookPtsMs', ...LOOK_COLUMNS] as const;

/** As a probe says it that decodes nothing. */
function asPackets(chunk: FrameFeatures): FrameFeatures {
  const noPictures = Object.fromEntries(OF_PICTURES.map((column) => [column, []]));
  const noSound = {
    audioChannels: 0,
    audioRmsCentiDbfs: [],
    audioPeakCentiDbfs: [],
    audioClipPermille: [],
    audioCorrelationPermille: [],
    audioLoudnessCentiLufs: [],
    audioOnsets: new Uint8Array(0),
  };
  const audioBlocks = chunk.audioRmsCentiDbfs.length / Math.max(1, chunk.audioChannels);
  return { ...chunk, depth: 'packets', ...noPictures, ...noSound, audioBlocks, keyFramePtsMs: [] };
}

/** As a probe says it that decodes a picture every so often. */
function asKeyPictures(everyMs: number): (chunk: FrameFeatures) => FrameFeatures {
  return (chunk) => {
    const isKey = (at: number) => (chunk.basePtsMs + chunk.framePtsMs[at]!) % everyMs === 0;
    const kept = (column: readonly number[]) => column.filter((_, at) => isKey(at));
    const names = ['framePtsMs', ...PICTURE_COLUMNS.filter((name) => !name.startsWith('look'))] as const;
    const columns = Object.fromEntries(names.map((name) => [name, kept(chunk[name])]));
    const noLooks = Object.fromEntries(
      PICTURE_COLUMNS.filter((name) => name.startsWith('look')).map((name) => [name, []]),
    );
    return { ...chunk, depth: 'keyframes', ...columns, ...noLooks };
  };
}

function check(drawing: string, depth: (chunk: FrameFeatures) => FrameFeatures, expected: string): void {
  const recording = draw(drawing, LOOKS);
  const chunks = cut(recording, everySecond(recording)).map(depth);
  assert.equal(tell(defectsOf(DETECTORS, chunks), ''), expected);
}

test('packets: tracks that are not there, and pictures that are absent', () => {
  check('....------........', asPackets, 'audio-missing:open@2000 audio-missing:close@5000');
  check('....||||||........', asPackets, 'video-missing:open@2000 video-missing:close@5000');
  check('....bbbbssss......', asPackets, '');
  check('..................._........', asPackets, 'video-frame-drop:open@9500 video-frame-drop:close@10000');
});

test('key pictures: two black ones in a row stand for the time between them, one for itself', () => {
  check('....bbbbbbbb........', asKeyPictures(2_000), 'video-black:open@2000 video-black:close@4500');
  check('....bbbb............', asKeyPictures(2_000), '');
  // Far apart.
  check(
    `....${'b'.repeat(40)}........`,
    asKeyPictures(8_000),
    'video-black:open@8000 video-black:close@16500',
  );
  check('........ssssss......', asKeyPictures(2_000), 'audio-silence:open@4000 audio-silence:close@7000');
});

test('key pictures say nothing of tracks, freezes and absent pictures', () => {
  check('....||||||..........', asKeyPictures(2_000), '');
  check('....------..........', asKeyPictures(2_000), '');
});

test('the table in ARCHITECTURE.md is this one, and every type has its row', () => {
  const text = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
  for (const type of DEFECT_TYPES) {
    const cells = ['full', 'keyframes', 'packets'].map((depth) => (isJudgedAt(type, depth) ? 'yes' : ''));
    const row = `| \`${type}\` | ${cells.join(' | ')} |`.replaceAll('|  |', '| |').replaceAll('|  |', '| |');
    assert.ok(text.includes(row), row);
  }
  assert.deepEqual(notJudgedAt('full'), []);
  for (const depth of DEPTHS) {
    const told = DEFECT_TYPES.filter((type) => isJudgedAt(type, depth));
    assert.equal(told.length + notJudgedAt(depth).length, DEFECT_TYPES.length);
  }
});
