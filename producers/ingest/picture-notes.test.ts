import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAMAGE, PictureNoteTaker, PictureTimes } from './picture-notes.ts';

const CORRUPT = '[warning] x.ts: corrupt decoded frame in stream 0';
const LOST = '[warning] x.ts: corrupt input packet in stream 0';
const conceals = (kind: string) =>
  `[h264 @ 0x1] [info] concealing 93 DC, 93 AC, 93 MV errors in ${kind} frame`;
const BESIDE = '[h264 @ 0x1] [error] co located POCs unavailable';
const COMPLAINT = '[hevc @ 0x1] [error] The cu_qp_delta -41 is outside the valid range [-26, 25].';

/**
 * Draws pictures in the order in which they are given out: i, p, b, K for a key picture; before each the messages in
 * brackets. Draws what is known of each: `.` nothing, `x` damage that passes, `#` damage that lasts, `?` unless a
 * picture is missing.
 */
function check(codec: string, pictures: string, expected: string): void {
  const taker = new PictureNoteTaker();
  taker.stream(`[info]   Stream #0:0[0x100]: Video: ${codec}, yuv420p, 640x360`);
  let drawn = '';
  for (const [, told = '', kind] of pictures.matchAll(/(?:\[(\w+)\])?([Kipb])/g)) {
    for (const message of told) {
      const lines: { readonly [key: string]: string } = { c: CORRUPT, l: LOST, e: COMPLAINT, o: BESIDE };
      taker.message(lines[message] ?? conceals(message));
    }
    const notes = taker.picture({ isKey: kind === 'K', isBetween: kind === 'b' });
    assert.equal(notes.isKey, kind === 'K');
    drawn += ['.', 'x', '#', '?'][notes.damage]!;
  }
  assert.equal(drawn, expected, pictures);
}

test('what is concealed in a picture of kind P lasts; in one of kind B it passes', () => {
  check('h264 (High)', 'Kp[P]pppK', '..#...');
  check('h264 (High)', 'Kbbp[B]b[c]bpK', '.....x..');
  check('mpeg2video (Main)', 'Kbbp[P]b[c]bpK', '....#x..');
});

test('before the first picture a decoder complains of what it has missed', () => {
  check('h264 (High)', '[cP]KppK', '....');
});

test('an error that was told before a key picture may be in it, or in what was decoded after it', () => {
  // In it, by its kind: it is given out two pictures later.
  check('h264 (High)', 'Kbpbp[I]bpKbp', '.....#.#..');
  // In the P before it, and in the one after it.
  check('h264 (High)', 'Kbpb[P]pbpKbp', '....#.....');
  check('h264 (High)', 'Kbpbpb[P]pKbp', '......##..');
  // A key picture that is given out as corrupt is damaged whatever was told.
  check('h264 (High)', 'Kppp[c]Kpp', '....#..');
});

test('a packet with a gap counts by what the decoder says came of it, and when it says nothing, as a lost picture', () => {
  check('h264 (High)', 'Kbp[l]b[B]pbp', '.......');
  check('h264 (High)', 'Kbp[l]b[P]pbp', '....#..');
  check('h264 (High)', 'Kpp[l]ppppppK', '.......#..');
  check('mpeg2video (Main)', 'Kpp[l]ppppppK', '.......#..');
  check('hevc (Main)', 'Kpp[l]pppppK', '.......#.');
  check('hevc (Main)', 'Kpp[l]p[e]ppppK', '....#....');
});

test('where streams are joined, the last packet before the key picture is told to have a gap, and none is lost', () => {
  // As ffmpeg 5.1 tells it of joined transport streams and of playlists that are joined.
  check('h264 (High)', 'Kppp[l]ppKpppppp', '.............');
  check('h264 (High)', 'Kbbbp[l]bbbpKbbbpbbbp', '..................');
  check('mpeg2video (Main)', 'Kbbpbbpb[l]bppKbbpbbpbb', '....................');
  check('mpeg2video (Main)', 'Kppp[l]pppKpppppp', '..............');
  check('hevc (Main)', 'Kbbbp[l]bbbpKbbbpbbbp', '..................');
  // A key picture that is torn itself is told of as any other.
  check('h264 (High)', 'Kppp[lI]Kppp', '....#...');
});

test('decoders that do not tell the kind: too near to a key picture it is in it, or after it', () => {
  // Decoded as it is told, three pictures ahead, and the key picture before the three that are shown before it.
  check('hevc (Main)', 'Kbbbp[e]bbbpbbbKbbb', '.....#..........');
  check('hevc (Main)', 'Kbbbpb[e]bbpbbbKbbb', '......#.....#...');
  check('hevc (Main)', 'Kbbbpbbbp[e]bbbKbbb', '.........#......');
  check('hevc (Main)', 'Kbbbpbbbpb[e]bbKbbb', '..........#.#...');
});

test('what H.264 complains of without concealing anything does not show', () => {
  const taker = new PictureNoteTaker();
  taker.stream('[info]   Stream #0:0: Video: h264');
  taker.picture({ isKey: true, isBetween: false });
  taker.message('[h264 @ 0x1] [error] mmco: unref short failure');
  taker.message('[warning] x.ts: corrupt input packet in stream 1');
  assert.equal(taker.picture({ isKey: false, isBetween: false }).damage, 0);
  taker.message('[h264 @ 0x1] [error] Frame num gap 5 3');
  assert.equal(taker.picture({ isKey: false, isBetween: false }).damage, DAMAGE.lasting);
});

test('when pictures are reordered, silence says what was lost: one of kind B, or none, of which the rest was decoded', () => {
  check('h264 (High)', 'Kbp[l]bpbpbpbpK', '........?...');
  check('hevc (Main)', 'Kbbbp[l]bbbpbbbpbK', '..........#....');
  // The picture that vectors are taken from lacks a reference: more was lost than one of kind B.
  check('h264 (High)', 'Kbp[l]bp[o]bpbpbpK', '........#...');
  check('h264 (High)', 'Kbpbp[o]bpbpbpK', '............');
  const settled = (timesMs: readonly number[]) => {
    const times = new PictureTimes();
    return timesMs.map((ptsMs, at) => {
      const damage = at === timesMs.length - 1 ? DAMAGE.unlessMissing : 0;
      return times.settle(ptsMs, { isKey: false, damage }).damage;
    });
  };
  assert.equal(settled([0, 42, 83, 125, 167, 208, 250]).at(-1), DAMAGE.lasting);
  assert.equal(settled([0, 42, 83, 167, 208, 250, 292]).at(-1), 0);
});

test('MPEG-2 does not count its pictures: a row of kind B that is longer than any before lacks the P in it', () => {
  check('mpeg2video (Main)', 'Kbbpbbp[l]bbbbpbbpK', '............#...');
  check('mpeg2video (Main)', 'Kbbpbbp[l]bpbbpbbpK', '................');
});

test('H.264 names no picture that is asked for by its place in a list: two rows of kind B that are one lack the P in it', () => {
  check('h264 (High)', 'Kbbpbbp[l]bbpbbbbpbbpK', '............#......');
  check('h264 (High)', 'Kbbpbbp[l]pbbpbbbbpK', '............?#...');
  check('h264 (High)', 'Kbbpbbp[l]pbbpbpbbpK', '............?....');
  // What such a row was is not taken for usual.
  check('h264 (High)', 'Kbbpbbp[l]pbbpbbbbp[l]pbbpbbbbpbbpK', '............?#.......?#......');
});
