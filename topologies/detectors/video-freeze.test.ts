import { test } from 'node:test';
import { checkerFor, type Looks } from './drawn-stream.ts';
import { videoFreeze } from './video-freeze.ts';

const pulse = (isOne: boolean) => ({ still: true, diffMeanCenti: isOne ? 203 : 0, anchorMeanCenti: 250 });
const LOOKS: Looks = {
  '.': {},
  // A repeated picture, as H.264 codes it.
  '#': { still: true, diffMeanCenti: 0, anchorMeanCenti: 30 },
  // The same with a key frame every second, which differs by 2 code values, and then stays as it is.
  k: (index) => ({ ...pulse(index % 20 === 0), isKey: index % 20 === 0 }),
  // The same where a picture that was decoded after it is shown before it.
  b: (index) => ({ ...pulse(index % 20 >= 18), isKey: index % 20 === 19 }),
  // Slow motion at a low bitrate: a picture with what moved, and then it is repeated.
  w: (index) => pulse(index % 20 === 0),
  // MPEG-2 with B pictures at a starved bitrate: it swings within each group, two of three pictures differ.
  m: (index) => ({ still: true, diffMeanCenti: index % 3 === 0 ? 0 : 25, anchorMeanCenti: 215 }),
  // A hold with grain, which the encoder kept.
  g: (index) => ({ still: true, diffMeanCenti: 5 + (index % 4) * 6, anchorMeanCenti: 148 }),
  // A title, cut to: the first picture differs by far more than motion does.
  t: (index) => (index === 100 ? { diffMeanCenti: 6_000 } : { still: true, diffMeanCenti: 0 }),
  // Hardly any motion: a face that listens.
  s: { diffMeanCenti: 12 },
};
const check = checkerFor(videoFreeze, LOOKS);

test('a freeze of 2 s opens at the picture that is repeated and closes at the first new one', () => {
  check('..####..', 'open@1000 close@3000');
  check('..#####.', 'open@1000 close@3500');
  check('..###...', '');
});

test('pulsing key frames and swinging groups are no change', () => {
  check('..kkkkkkkk..', 'open@1000 close@5000');
  check('..bbbbbbbb..', 'open@1000 close@5000');
  check('..mmmmmmmm..', 'open@1000 close@5000');
});

test('pictures that change now and then without a key picture show slow motion', () => {
  check('..wwwwwwww..', '');
  const then: Looks = {
    ...LOOKS,
    // It moves up to 2.5 s, and freezes then; it freezes, and moves from 3.5 s on.
    x: (index) => pulse(index % 10 === 0 && index <= 50),
    y: (index) => pulse(index % 10 === 0 && index >= 70),
  };
  checkerFor(videoFreeze, then)('..xxxxxxxxx..', 'open@2500 close@5500');
  checkerFor(videoFreeze, then)('..yyyyyyyyyy..', 'open@1000 close@3650');
});

test('pictures that get further and further away from the first one move, unless key pictures did it', () => {
  const far: Looks = {
    ...LOOKS,
    d: (index) => ({ still: true, diffMeanCenti: index % 2 === 0 ? 3 : 12, anchorMeanCenti: 2 * index - 40 }),
    e: (index) => {
      const isKey = index % 20 === 0;
      return {
        still: true,
        diffMeanCenti: isKey ? 60 : 0,
        anchorMeanCenti: 3 * (index - (index % 20)),
        isKey,
      };
    },
  };
  checkerFor(videoFreeze, far)('..dddddddddd..', '');
  checkerFor(videoFreeze, far)('..eeeeeeee..', 'open@1000 close@5000');
});

test('a hold with grain is content', () => {
  check('..gggggggggggggggg..', '');
});

test('a freeze after a hold with grain begins where the grain stops, not at its anchor', () => {
  const grainThenRepeats: Looks = {
    ...LOOKS,
    // One still run for the probe: grain for 4 s, then repeats.
    x: (index) => ({ still: true, diffMeanCenti: index < 100 ? 20 : 0, anchorMeanCenti: 150 }),
  };
  checkerFor(videoFreeze, grainThenRepeats)(`..${'x'.repeat(14)}..`, 'open@5150 close@8000');
});

test('a starved encoder makes a frozen picture better for a second before it repeats it: it froze before', () => {
  const better: Looks = {
    ...LOOKS,
    y: (index) => ({ still: true, diffMeanCenti: index < 50 ? 25 : 0, anchorMeanCenti: 200 }),
  };
  checkerFor(videoFreeze, better)('..yyyyy..', 'open@1000 close@3500');
});

test('one freeze that jumps to another still picture is two', () => {
  const two: Looks = { ...LOOKS, b: { still: true, diffMeanCenti: 0 } };
  checkerFor(videoFreeze, two)('..####bbbb..', 'open@1000 close@3000 open@3000 close@5000');
});

test('missing pictures are no freeze', () => {
  check('..#______..', '');
  check('..##______##..', '');
  check('..##______####..', 'open@5000 close@7000');
  check('..####__####..', 'open@1000 close@6000');
});

test('the anchor proves that nothing changed while a chunk was lost', () => {
  check('..##~~####..', 'open@1000 close@5000');
});

// Severity tells a fault (steady motion that stops short) from a hold that is meant.
test('motion that stops is a fault: medium, then high, then critical', () => {
  check(`..${'#'.repeat(24)}..`, 'open@1000 high@11000 close@13000');
});

test('a hold that begins with a cut, or in content that hardly moves, stays low and may be allowed', () => {
  const streams = { news: { 'video-freeze': { staticContentMs: 15_000 } } };
  const title = `${'.'.repeat(10)}${'t'.repeat(24)}..`;
  check(title, 'open@5000 close@17000');
  check(title, '', { streams });
  check(`ssssssss${'#'.repeat(24)}..`, 'open@4000 close@16000');
});

test('what may be allowed is the hold, not the fault', () => {
  const streams = { news: { 'video-freeze': { staticContentMs: 15_000 } } };
  check('..####..', 'open@1000 close@3000', { streams });
});
