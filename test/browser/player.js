/**
 * The page of the test: hls.js with CMCD as any site would set it up, and beside it a notebook of the media element's own
 * events, which is what the reports are held against. The settings are in the URL.
 */
const settings = new URLSearchParams(location.search);
const version = Number(settings.get('version'));
const video = document.getElementById('video');
const notes = [];
let reporter = null;

const note = (what, details = {}) =>
  notes.push({
    what,
    atMs: performance.timeOrigin + performance.now(),
    mediaMs: video.currentTime * 1000,
    ...details,
  });

/** What docs/events.md asks a site with hls.js to add: the programme time of the playhead and what is on screen. */
const tellPlayhead = () => {
  if (reporter === null || hls.playingDate === null) return;
  reporter.updateCustomData({ 'com.everyview-pdt': hls.playingDate.getTime() });
};

let shownBps = 0;
const tellShown = (bitrateBps) => {
  if (reporter === null || bitrateBps === shownBps) return;
  shownBps = bitrateBps;
  reporter.updateCustomData({ 'com.everyview-shown-br': bitrateBps / 1000 });
  reporter.recordCustomEvent('rendition-shown');
};

/** hls.js leaves out every key that is not named here, its own as well, once a page adds keys of its own. */
const KEYS = [
  ...[
    'bg',
    'bl',
    'br',
    'bs',
    'cid',
    'e',
    'ec',
    'ltc',
    'mtp',
    'ot',
    'pr',
    'pt',
    'rc',
    'sf',
    'sid',
    'sn',
    'st',
    'sta',
  ],
  ...[
    'su',
    'tb',
    'ts',
    'ttfb',
    'ttlb',
    'url',
    'v',
    'com.everyview-pdt',
    'com.everyview-player',
    'com.everyview-shown-br',
    'cen',
  ],
];

const hls = new Hls({
  autoStartLoad: false,
  maxBufferLength: 4,
  maxMaxBufferLength: 4,
  // The first rendition is chosen by a guess of the throughput, as everywhere.
  abrEwmaDefaultEstimate: 3_000_000,
  cmcd: {
    version,
    sessionId: settings.get('session'),
    contentId: settings.get('content'),
    ...(version < 2
      ? {}
      : {
          eventTargets: [
            {
              url: settings.get('collector'),
              events: ['ps', 'e', 't', 'bc', 'rr', 'ce'],
              interval: 5,
              includeKeys: KEYS,
            },
          ],
          reporterCallback: (made) => {
            reporter = made;
            reporter.updateCustomData({ 'com.everyview-player': `hls.js/${Hls.version}` });
          },
        }),
  },
});

// Before hls.js listens to them: its reports of the same events shall have the playhead of that moment.
for (const what of ['play', 'waiting', 'playing', 'pause', 'seeking', 'seeked', 'ended']) {
  video.addEventListener(what, () => {
    tellPlayhead();
    note(what);
  });
}
video.addEventListener('timeupdate', tellPlayhead);
hls.on(Hls.Events.FRAG_CHANGED, (_event, { frag }) => {
  const level = hls.levels[frag.level];
  note('rendition', { bitrateBps: level.bitrate });
  tellShown(level.bitrate);
});
// The first picture is of the first fragment; hls.js says so a moment after it is there.
hls.on(Hls.Events.FRAG_BUFFERED, (_event, { frag }) => {
  if (shownBps === 0 && frag.type === 'main') tellShown(hls.levels[frag.level].bitrate);
});
hls.on(Hls.Events.ERROR, (_event, { details, fatal }) => note('error', { details, fatal }));
hls.on(Hls.Events.MANIFEST_PARSED, () => note('manifest'));

document.getElementById('play').addEventListener('click', () => {
  video.play();
  hls.startLoad();
});
hls.attachMedia(video);
hls.loadSource(settings.get('stream'));

window.notes = notes;
