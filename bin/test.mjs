#!/usr/bin/env node
import { launch } from './launcher.mjs';

await launch('test/support/run-tests.ts', process.argv.slice(2));
