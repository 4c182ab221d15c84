#!/usr/bin/env node
import { launch } from './launcher.mjs';

await launch('test/soak/main.ts', process.argv.slice(2));
