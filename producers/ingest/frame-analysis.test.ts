import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  analysePicture,
  createPictureState,
  NO_PREDECESSOR_CENTI,
  PICTURE_BYTES,
  PICTURE_HEIGHT_PX,
  PICTURE_WIDTH_PX,
  type PictureFeatures,
} from './frame-analysis.ts';

const LUMA_BYTES = PICTURE_WIDTH_PX * PICTURE_HEIGHT_PX;

test('an even picture has its luma as mean, and no spread', () => {
  const features = analyse(even(81, 90, 240));
  assert.equal(features.lumaMeanCenti, 8100);
  assert.equal(features.lumaSpreadCenti, 0);
  assert.equal(features.chromaSpreadCenti, 0);
});

test('spread is the standard deviation in hundredths', () => {
  const picture = even(100, 128, 128);
  for (let at = 0; at < LUMA_BYTES; at += 2) picture[at] = 110;
  assert.equal(analyse(picture).lumaSpreadCenti, 500);
});

test('dark needs low luma and neutral chroma: pure blue at BT.709 is not black', () => {
  assert.equal(analyse(even(16, 128, 128)).darkPermille, 1000);
  assert.equal(analyse(even(37, 128, 128)).darkPermille, 1000);
  assert.equal(analyse(even(38, 128, 128)).darkPermille, 0);
  assert.equal(analyse(even(32, 240, 118)).darkPermille, 0);
  assert.equal(analyse(even(20, 134, 122)).darkPermille, 1000, 'chroma noise of a sensor is neutral');
});

test('a logo takes its share of the dark pixels only', () => {
  const picture = even(16, 128, 128);
  for (let y = 4; y < 16; y++) picture.fill(200, y * PICTURE_WIDTH_PX + 140, y * PICTURE_WIDTH_PX + 152);
  assert.equal(analyse(picture).darkPermille, 990);
});

test('the first picture has no predecessor and is the anchor', () => {
  const features = analyse(even(50, 128, 128));
  assert.equal(features.diffMeanCenti, NO_PREDECESSOR_CENTI);
  assert.equal(features.anchorAgeMs, 0);
});

test('a still run keeps its anchor through a pulse of the whole picture, and ages', () => {
  const still = textured(0);
  const pulse = textured(0).map((value, at) => (at < LUMA_BYTES ? value + (at % 3) - 1 : value));
  const features = sequence([still, still, pulse, still, still]);
  assert.deepEqual(
    features.map((one) => one.anchorAgeMs),
    [0, 40, 80, 120, 160],
  );
  assert.equal(features[2]!.anchorMeanCenti, 67);
  assert.equal(features[3]!.anchorMeanCenti, 0);
});

test('what moves in one block only is a change: a face that speaks is not frozen', () => {
  const still = textured(0);
  const spoken = textured(0);
  for (let y = 42; y < 48; y++) {
    for (let x = 70; x < 78; x++) spoken[y * PICTURE_WIDTH_PX + x]! += 8;
  }
  const features = sequence([still, still, spoken, spoken]);
  assert.deepEqual(
    features.map((one) => one.anchorAgeMs),
    [0, 40, 0, 40],
  );
});

test('a slow drift becomes a change once it has added up', () => {
  const features = sequence(Array.from({ length: 12 }, (_, i) => even(60 + i, 128, 128)));
  assert.deepEqual(
    features.map((one) => one.anchorAgeMs),
    [0, 40, 80, 120, 0, 40, 80, 120, 0, 40, 80, 120],
  );
});

test('a picture of another size is refused', () => {
  assert.throws(
    () => analyse(new Uint8Array(PICTURE_BYTES - 1)),
    /a picture has 21600 bytes, this one 21599/,
  );
});

test('every figure is a whole number within its range, whatever the picture', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 7, maxLength: 97 }), (pattern) => {
      const picture = Uint8Array.from({ length: PICTURE_BYTES }, (_, at) => pattern[at % pattern.length]!);
      const { anchorAgeMs, ...features } = analyse(picture);
      assert.equal(anchorAgeMs, 0);
      for (const [name, value] of Object.entries(features)) {
        assert.ok(Number.isInteger(value) && value >= 0 && value <= 25_500, `${name} = ${value}`);
      }
      assert.ok(features.lumaSpreadCenti <= 12_750 && features.darkPermille <= 1000);
    }),
    { numRuns: 30 },
  );
});

function even(luma: number, blue: number, red: number): Uint8Array {
  const picture = new Uint8Array(PICTURE_BYTES);
  picture.fill(luma, 0, LUMA_BYTES);
  picture.fill(blue, LUMA_BYTES, LUMA_BYTES + LUMA_BYTES / 4);
  picture.fill(red, LUMA_BYTES + LUMA_BYTES / 4);
  return picture;
}

function textured(shift: number): Uint8Array {
  return even(0, 128, 128).map((chroma, at) => (at < LUMA_BYTES ? 60 + (((at + shift) * 37) % 101) : chroma));
}

function analyse(picture: Uint8Array): PictureFeatures {
  return analysePicture(createPictureState(), picture, 0);
}

function sequence(pictures: readonly Uint8Array[]): PictureFeatures[] {
  const state = createPictureState();
  return pictures.map((picture, i) => analysePicture(state, picture, i * 40));
}
