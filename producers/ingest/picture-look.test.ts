import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PICTURE_HEIGHT_PX, PICTURE_WIDTH_PX } from './frame-analysis.ts';
import { createLookState, lookAt, NO_PREVIOUS_LOOK_CENTI } from './picture-look.ts';

const WIDTH_PX = 640;
const EVEN_LINES = new Uint8Array(WIDTH_PX * 22).fill(100);

test('an even picture has no texture, and no sharpness that could be lost', () => {
  const look = lookAt(createLookState(), new Uint8Array(LUMA_BYTES).fill(90), EVEN_LINES, WIDTH_PX);
  assert.deepEqual(look, {
    sharpPermille: 0,
    medianSharpPermille: 0,
    texturedBlocks: 0,
    sceneCenti: NO_PREVIOUS_LOOK_CENTI,
    gridSteps: 0,
    otherSteps: 0,
  });
});

test('sharpness falls with blur, and neither contrast nor brightness change it', () => {
  const sharp = boxes(40, 200);
  const whole = look(sharp);
  const faint = look(boxes(100, 140));
  assert.ok(whole.texturedBlocks > 60);
  assert.ok(Math.abs(whole.sharpPermille - faint.sharpPermille) <= 20);
  // Each pass of [1 2 1] / 4 in both directions is a Gaussian with a variance of half a pixel.
  const half = look(blurred(sharp, 1));
  const one = look(blurred(sharp, 2));
  const two = look(blurred(sharp, 8));
  assert.ok(whole.sharpPermille > 2 * half.sharpPermille);
  assert.ok(whole.sharpPermille > 4.5 * one.sharpPermille && whole.sharpPermille < 16 * one.sharpPermille);
  assert.ok(whole.medianSharpPermille > 4.5 * one.medianSharpPermille);
  assert.ok(one.sharpPermille > 2 * two.sharpPermille);
});

test('the scene goes on through blur, and changes with a cut', () => {
  const state = createLookState();
  const sharp = boxes(40, 200);
  lookAt(state, sharp, EVEN_LINES, WIDTH_PX);
  assert.ok(lookAt(state, blurred(sharp, 2), EVEN_LINES, WIDTH_PX).sceneCenti < 500);
  assert.ok(lookAt(state, boxes(200, 40), EVEN_LINES, WIDTH_PX).sceneCenti > 3_000);
});

test('steps between even pixels are counted on the edges of macroblocks and off them', () => {
  const onGrid = lines((x, row) => tone(x / 16, row));
  assert.deepEqual(steps(onGrid), { gridSteps: (100_000 * 39 * 4) / (40 * 5), otherSteps: 0 });
  const offGrid = lines((x, row) => tone((x + 5) / 16, row));
  assert.equal(steps(offGrid).gridSteps, 0);
  // The transform's blocks of 8 show on the grid and in its middle alike.
  const eights = steps(lines((x, row) => tone(x / 8, row)));
  assert.ok(Math.abs(eights.gridSteps - eights.otherSteps) <= 100_000 / 40);
  // Texture and slopes have no even sides.
  const texture = steps(lines((x) => (x * 71) % 256));
  assert.deepEqual(texture, { gridSteps: 0, otherSteps: 0 });
});

test('an edge that runs over many lines at one column of the grid was drawn', () => {
  const bars = lines((x) => (Math.floor(x / 16) % 2 === 0 ? 60 : 140));
  assert.deepEqual(steps(bars), { gridSteps: 0, otherSteps: 0 });
  // Blocks beside it count all the same.
  const both = lines((x, row) => (x < 128 ? 20 : tone(x / 16, row)));
  assert.deepEqual(steps(both), { gridSteps: (100_000 * 31 * 4) / (40 * 5), otherSteps: 0 });
});

test('without lines of the native picture there is nothing to count', () => {
  assert.equal(lookAt(createLookState(), boxes(40, 200), new Uint8Array(0), WIDTH_PX).gridSteps, 0);
});

const LUMA_BYTES = PICTURE_WIDTH_PX * PICTURE_HEIGHT_PX;

function look(luma: Uint8Array) {
  return lookAt(createLookState(), luma, EVEN_LINES, WIDTH_PX);
}

function steps(native: Uint8Array) {
  const { gridSteps, otherSteps } = lookAt(createLookState(), boxes(40, 200), native, WIDTH_PX);
  return { gridSteps, otherSteps };
}

/** One sampled line after the other. */
function lines(at: (x: number, row: number) => number): Uint8Array {
  return Uint8Array.from({ length: WIDTH_PX * 20 }, (_, index) =>
    at(index % WIDTH_PX, Math.floor(index / WIDTH_PX)),
  );
}

/** Two in turn; in every fifth line there is but one. */
function tone(column: number, row: number): number {
  return row % 5 === 4 || Math.floor(column) % 2 === 0 ? 60 : 140;
}

/** Boxes of 13 by 11 pixels in two tones, darker in the left half. */
function boxes(dark: number, bright: number): Uint8Array {
  return Uint8Array.from({ length: LUMA_BYTES }, (_, at) => {
    const x = at % PICTURE_WIDTH_PX;
    const y = (at - x) / PICTURE_WIDTH_PX;
    const isBright = (Math.floor(x / 13) + Math.floor(y / 11)) % 2 === 0 || x > 120;
    return isBright ? bright : dark;
  });
}

function blurred(luma: Uint8Array, passes: number): Uint8Array {
  let picture = Float64Array.from(luma);
  for (let pass = 0; pass < passes; pass++) {
    for (const step of [1, PICTURE_WIDTH_PX]) {
      const before = picture;
      picture = before.map(
        (value, at) => (2 * value + (before[at - step] ?? value) + (before[at + step] ?? value)) / 4,
      );
    }
  }
  return Uint8Array.from(picture, Math.round);
}
