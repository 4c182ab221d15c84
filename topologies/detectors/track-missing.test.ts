import { test } from 'node:test';
import { audioMissing } from './audio-missing.ts';
import { checkerFor, type Looks } from './drawn-stream.ts';
import { videoMissing } from './video-missing.ts';

const LOOKS: Looks = {
  '.': {},
  a: { without: 'audio' },
  v: { without: 'video' },
  b: { without: 'audio', darkPermille: 1_000 },
  // Pictures at one per half second.
  1: (index) => (index % 10 === 0 ? {} : { without: 'video' }),
};
const audio = checkerFor(audioMissing, LOOKS);
const video = checkerFor(videoMissing, LOOKS);

test('a track that stops for 2 s is missing from where its last packet ends', () => {
  audio('....aaaa..', 'open@2000 close@4000');
  audio('....aaa...', '');
  video('....vvvv..', 'open@2000 close@4000');
  video('....vvv...', '');
  audio('...aaaaa..', 'open@1500 close@4000');
  video('...vvvvv..', 'open@1500 close@4000');
});

test('the other track is not missing', () => {
  audio('....vvvvvv..', '');
  video('....aaaaaa..', '');
});

test('what stops and comes back within 2 s is not missing, however often', () => {
  audio('..aaa.aaa.aaa.', '');
  video('..vvv.vvv.vvv.', '');
});

test('where neither comes no track is missing: nothing is known', () => {
  audio('....______..', '');
  video('....______..', '');
  audio('....a______.', '');
  audio('....aaaa__aa..', 'open@2000 close@6000');
});

test('missing from the start is not watched, unless it is expected', () => {
  audio('aaaaaaaa..', '');
  video('vvvvvvvv..', '');
  const expected = { streams: { news: { 'audio-missing': { expectAudio: 1 } } } };
  audio('aaaaaaaa..', 'open@0 close@4000', expected);
  audio('..........', '', expected);
  video('vvvvvvvv', 'open@0', { detectors: { 'video-missing': { expectVideo: 1 } } });
});

test('black pictures after the sound are the end of a programme; for long they are a fault like others', () => {
  audio('....bbbbbbb', '');
  audio(`....${'b'.repeat(14)}..`, 'open@2000 close@9000');
  audio('....bbaaaa..', 'open@2000 close@5000');
  audio('....aaaabbbb..', 'open@2000 close@6000');
});

test('lost chunks are no proof: what they held may have been whole', () => {
  audio('....~~aaa...', '');
  audio('....~~aaaa..', 'open@3000 close@5000');
  audio('....aaaa~~aa..', 'open@2000 close@6000');
});

test('rare pictures are pictures', () => {
  video('..1111111111..', '');
});
