import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeReport, UNREADABLE } from './salvage.ts';

/** The report's keys and what could not be read, drawn as text. */
function check(text: string, expected: Record<string, unknown>, unreadable: readonly string[] = []): void {
  const report = decodeReport(text);
  const values = Object.fromEntries(
    [...report.values].map(([key, value]) => [
      key,
      Array.isArray(value)
        ? value.map((entry) => (entry.label === '' ? entry.value : `${entry.value};${entry.label}`))
        : value,
    ]),
  );
  assert.deepEqual(values, expected, text);
  assert.deepEqual([...report.unreadable].sort(), [...unreadable].sort(), text);
}

test('a report as players write it', () => {
  check('br=(2856),e=ps,sid="a-b",sn=3,sta=p,ts=1795259051201,v=2', {
    br: [2856],
    e: 'ps',
    sid: 'a-b',
    sn: 3,
    sta: 'p',
    ts: 1795259051201,
    v: 2,
  });
  check('bl=(0;v 3900;a),br=(2500;v 96;a)', { bl: ['0;v', '3900;a'], br: ['2500;v', '96;a'] });
  check('tpb=(2855.6),lb=(765.6)', { tpb: [2855.6], lb: [765.6] });
  check('ec=("manifestLoadError"),su', { ec: ['manifestLoadError'], su: true });
  check('ec=27,bs=?0', { ec: 27, bs: false });
  check('br=2500,nor=("../seg 1.m4s" "x,y")', { br: 2500, nor: ['../seg 1.m4s', 'x,y'] });
  check('nor="..%2F..%2Fhls%2F360p%2Fseg_001.m4s"', { nor: '..%2F..%2Fhls%2F360p%2Fseg_001.m4s' });
});

test('a bad value costs that value and nothing else', () => {
  check('br=(2500;v 96;a,sid="a",sta=p', { sid: 'a', sta: 'p' }, ['br']);
  check('ts=1e9,sid="a"', { sid: 'a' }, ['ts']);
  check('br=99999999999999999,sid="a"', { sid: 'a' }, ['br']);
  check('sid="a",bl=undefined x,sta=r', { sid: 'a', sta: 'r' }, ['bl']);
  check('sid="a",mtp=NaN NaN,,sta=r', { sid: 'a', sta: 'r' }, ['mtp']);
  check('sid="a",SID="b"', { sid: 'a' }, [UNREADABLE]);
  check('sid="a",bl=(),x=:aGk=:', { sid: 'a', bl: [] }, ['x']);
});

test('a string that is never closed costs that string', () => {
  check('cid="live,e=ps,sid="x",ts=1', { e: 'ps', sid: 'x', ts: 1 }, ['cid']);
  check('sid="x",url="http://h/p,rc=200', { sid: 'x', rc: 200 }, ['url']);
  check('sid="a,b=c",br=(x', { sid: 'a,b=c' }, ['br']);
  check('br=,",sid="s",sta=p,', { sid: 's', sta: 'p' }, ['br', UNREADABLE]);
});

test('ids without quotes are read', () => {
  check('sid=6f0c-11,cid=123-abc,br=(', { sid: '6f0c-11', cid: '123-abc' }, ['br']);
  check('sid=0a1b2c-d', { sid: '0a1b2c-d' });
});

test('what is no CMCD says so without being told', () => {
  check('{"sid":"a"}', {}, [UNREADABLE]);
  check('203.0.113.7=secret!', {}, [UNREADABLE]);
  check('', {});
});

test('noise is given up: what it costs is bounded', () => {
  const noise = Array.from({ length: 500 }, (_, index) => `k${index}=!`).join(',');
  const report = decodeReport(`sid="a",${noise},sta=p`);
  assert.deepEqual([...report.values.keys()], ['sid']);
  assert.equal(report.unreadable.size, 17);
  assert.ok(report.unreadable.has(UNREADABLE));
});

test('any text is decoded or told unreadable, and whatever follows it survives', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const report = decodeReport(text);
      assert.ok(report.values.size + report.unreadable.size > 0 || /^[\s,]*$/.test(text));
      for (const key of report.unreadable) assert.ok(!key.includes('='));
    }),
    { numRuns: 2_000 },
  );
  const value = fc.string({ unit: 'grapheme-ascii', maxLength: 30 }).filter((text) => !text.includes('sid='));
  fc.assert(
    fc.property(value, (damage) => {
      // After an unquoted comma and a key, whatever went before is over, unless damage opens a list of quotes itself.
      const report = decodeReport(`br=${damage},sid="s",sta=p,`);
      if (report.unreadable.has('br')) assert.equal(report.values.get('sta'), 'p', damage);
    }),
    { numRuns: 2_000 },
  );
});
