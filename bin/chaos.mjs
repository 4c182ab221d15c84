#!/usr/bin/env node
import { launch } from './launcher.mjs';

await launch('test/chaos/main.ts', process.argv.slice(2));
