import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNewEnough, parseJavaVersion } from './java.ts';

test('versions as Java itself writes them', () => {
  const check = (line: string, version: string, major: number, enough: boolean): void => {
    const java = parseJavaVersion('/bin/java', ['Picked up JAVA_TOOL_OPTIONS: -Xmx1g', line]);
    assert.deepEqual(java, { path: '/bin/java', version, major });
    assert.equal(isNewEnough(java!), enough);
  };
  check('openjdk version "17.0.15" 2025-04-15', '17.0.15', 17, true);
  check('openjdk version "21" 2023-09-19', '21', 21, true);
  check('java version "1.8.0_392"', '1.8.0_392', 8, false);
  check('openjdk version "11.0.2" 2019-01-15', '11.0.2', 11, false);
  check('openjdk version "25-ea" 2025-09-16', '25-ea', 25, true);
});

test('what is no Java has no version', () => {
  assert.equal(parseJavaVersion('/bin/java', ['The operation couldn’t be completed.']), null);
});
