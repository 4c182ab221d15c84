import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameFeatures } from '../../schemas/records.ts';
import { Chunker, type InputTracks } from './chunker.ts';

const IDENTITY = {
  programmeId: 'p',
  renditionId: 'main',
  vantage: 'origin',
  probeId: 'x',
  probeEpochMs: 1,
  decoder: 'test',
};
const BOTH: InputTracks = {
  hasVideo: true,
  hasAudio: true,
  frameIntervalUs: 100_000,
  deliversVideo: true,
  deliversAudio: true,
};
const PICTURE = {
  lumaMeanCenti: 1,
  lumaSpreadCenti: 2,
  chromaSpreadCenti: 3,
  darkPermille: 4,
  diffMeanCenti: 5,
  anchorMeanCenti: 6,
  anchorPeakCenti: 7,
  anchorAgeMs: 8,
};

test('one record per second, once both tracks have passed it', () => {
  const chunker = chunkerOf(BOTH);
  const records = [...pictures(chunker, 0, 1500), ...blocks(chunker, 0, 9)];
  assert.deepEqual(records.map(shape), []);
  const closing = blocks(chunker, 9, 10);
  assert.deepEqual(closing.map(shape), ['0+1000 pictures 0..900 blocks 0x10']);
  assert.deepEqual(chunker.flush(1550).map(shape), ['1000+550 pictures 0..400 blocks none']);
});

test('a track that stays away is waited for no longer than two seconds', () => {
  const chunker = chunkerOf(BOTH);
  assert.deepEqual(pictures(chunker, 0, 2900), []);
  assert.deepEqual(pictures(chunker, 3000, 3100).map(shape), ['0+1000 pictures 0..900 blocks none']);
});

test('of a file that is read as fast as it goes, a track may lie far behind the other', () => {
  const chunker = chunkerOf(BOTH, true);
  assert.deepEqual(blocks(chunker, 0, 500), []);
  const records = pictures(chunker, 0, 5_100);
  assert.deepEqual(
    records.map(shape),
    Array.from({ length: 5 }, (_, second) => `${second * 1_000}+1000 pictures 0..900 blocks 0x10`),
  );
  assert.deepEqual(pictures(chunker, 5_100, 50_100).length, 45);
  // Sound that stays away for good is waited for no longer than a minute.
  assert.deepEqual(pictures(chunker, 50_100, 110_000), []);
  const [record] = pictures(chunker, 111_000, 111_100);
  assert.equal(shape(record!), '50000+1000 pictures 0..900 blocks none');
});

test('a track that was given up is not waited for', () => {
  const chunker = chunkerOf({ ...BOTH, deliversAudio: false });
  const [record] = pictures(chunker, 0, 1100);
  assert.equal(shape(record!), '0+1000 pictures 0..900 blocks none');
  assert.equal(record!.hasAudio, true);
});

test('where sound is missing a record ends, so that blocks follow each other', () => {
  const chunker = chunkerOf(BOTH);
  pictures(chunker, 0, 1500);
  blocks(chunker, 0, 3);
  assert.deepEqual(blocks(chunker, 7, 10).map(shape), [
    '0+700 pictures 0..600 blocks 0x3',
    '700+300 pictures 0..200 blocks 0x3',
  ]);
});

test('seconds without anything leave no record, and the timeline goes on', () => {
  const chunker = chunkerOf({ ...BOTH, hasAudio: false, deliversAudio: false });
  pictures(chunker, 0, 500);
  const later = pictures(chunker, 5000, 6100);
  assert.deepEqual(later.map(shape), [
    '0+1000 pictures 0..400 blocks none',
    '5000+1000 pictures 0..900 blocks none',
  ]);
  assert.deepEqual(
    later.map((record) => record.seq),
    [0, 1],
  );
});

test('a timestamp that leaps years ahead costs one step, and one that is no time is an error of the decoder', () => {
  const chunker = chunkerOf({ ...BOTH, deliversAudio: false });
  const leapMs = 9_000_000_000_000_000;
  const records = [...pictures(chunker, 0, 300), ...pictures(chunker, leapMs, leapMs + 1_100)];
  assert.deepEqual(records.map(shape), [
    '0+1000 pictures 0..200 blocks none',
    `${leapMs}+1000 pictures 0..900 blocks none`,
  ]);
  assert.deepEqual(chunker.addPicture(Number.NaN, PICTURE, 0), []);
  assert.equal(chunker.flush(leapMs + 1_100)[0]?.decodeErrors, 1);
});

test('an event closes the record under way and stands alone', () => {
  const chunker = chunkerOf(BOTH);
  pictures(chunker, 0, 300);
  blocks(chunker, 0, 3);
  const records = chunker.addEvent('probe-lost', 'it died', 0, 77);
  assert.deepEqual(records.map(shape), [
    '0+300 pictures 0..200 blocks 0x3',
    '300+0 pictures none blocks none',
  ]);
  assert.equal(records[1]!.event, 'probe-lost');
  assert.equal(records[1]!.decodedAtMs, 77);
  assert.deepEqual(blocks(chunker, 3, 10), []);
  assert.deepEqual(pictures(chunker, 300, 1100).map(shape), ['300+700 pictures 0..600 blocks 0x7']);
});

test('a picture at the very end is not lost', () => {
  const chunker = chunkerOf(BOTH);
  pictures(chunker, 0, 100);
  assert.deepEqual(chunker.flush(0).map(shape), ['0+1 pictures 0..0 blocks none']);
  assert.deepEqual(chunker.flush(0), []);
});

test('what is complete can be had before its second is over', () => {
  const chunker = chunkerOf(BOTH);
  pictures(chunker, 0, 700);
  blocks(chunker, 0, 5);
  assert.deepEqual(chunker.takeComplete().map(shape), ['0+500 pictures 0..400 blocks 0x5']);
  assert.deepEqual(chunker.takeComplete(), []);
  blocks(chunker, 5, 10);
  assert.deepEqual(pictures(chunker, 700, 1100).map(shape), ['500+500 pictures 0..400 blocks 0x5']);
});

test('errors are told once; a record is decoded when its last picture was', () => {
  const chunker = chunkerOf({ ...BOTH, hasAudio: false, deliversAudio: false });
  chunker.addDecodeErrors(2);
  const records: FrameFeatures[] = [];
  for (let ptsMs = 0; ptsMs <= 2000; ptsMs += 500)
    records.push(...chunker.addPicture(ptsMs, PICTURE, 10_000 + ptsMs));
  assert.deepEqual(
    records.map((record) => [record.decodeErrors, record.decodedAtMs]),
    [
      [2, 10_500],
      [0, 11_500],
    ],
  );
});

function chunkerOf(tracks: InputTracks, isUnpaced = false): Chunker {
  const chunker = new Chunker(IDENTITY, null, isUnpaced);
  chunker.setTracks(tracks);
  return chunker;
}

/** Pictures every 100 ms in [fromMs, toMs). */
function pictures(chunker: Chunker, fromMs: number, toMs: number): FrameFeatures[] {
  const records: FrameFeatures[] = [];
  for (let ptsMs = fromMs; ptsMs < toMs; ptsMs += 100)
    records.push(...chunker.addPicture(ptsMs, PICTURE, ptsMs));
  return records;
}

/** Audio blocks [from, to). */
function blocks(chunker: Chunker, from: number, to: number): FrameFeatures[] {
  const made = Array.from({ length: to - from }, (_, i) => ({
    index: from + i,
    rmsCentiDbfs: [-2000],
    peakCentiDbfs: [-1000],
    clipPermille: [5],
    correlationPermille: null,
    onsets: 0xa005,
    loudnessCentiLufs: -2100,
  }));
  return chunker.addAudioBlocks(made, 0);
}

function shape(record: FrameFeatures): string {
  const { framePtsMs, audioRmsCentiDbfs, basePtsMs, durationMs, audioStartMs } = record;
  const shown = framePtsMs.length === 0 ? 'none' : `${framePtsMs[0]}..${framePtsMs.at(-1)}`;
  const heard = audioRmsCentiDbfs.length === 0 ? 'none' : `${audioStartMs}x${audioRmsCentiDbfs.length}`;
  return `${basePtsMs}+${durationMs} pictures ${shown} blocks ${heard}`;
}
