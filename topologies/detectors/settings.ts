/**
 * Settings of detectors: documented defaults, and what the configuration in force changes, for all streams or for one.
 *
 * @example
 * {
 *   "detectors": { "video-freeze": { "minMs": 3000 } },
 *   "streams": { "slides-channel": { "video-freeze": { "staticContentMs": 60000 } } }
 * }
 */
import { isObject } from '../settings-check.ts';
import { type StreamScope, streamKeyOf } from './stream-step.ts';

/** Every setting is an integer; the unit is in its name. */
export type Settings = { readonly [name: string]: number };

/** By defect type, then by setting. Under `streams` the key is a programme, or a stream as `streamKeyOf` writes it. */
export type DetectionConfig = {
  readonly detectors?: { readonly [type: string]: Settings };
  readonly streams?: { readonly [stream: string]: { readonly [type: string]: Settings } };
};

/** The defaults, then what holds for all streams, for the programme, for the stream: the last one that says it wins. */
export function settingsFor<S extends Settings>(
  config: unknown,
  type: string,
  defaults: S,
  scope: StreamScope,
): S {
  if (config === null || config === undefined) return defaults;
  const { streams } = config as DetectionConfig;
  const common = commonSettings(config, type, defaults);
  if (streams === undefined) return common;
  const ofProgramme = streams[scope.programmeId]?.[type];
  const ofStream = streams[streamKeyOf(scope)]?.[type];
  if (ofProgramme === undefined && ofStream === undefined) return common;
  return { ...common, ...ofProgramme, ...ofStream };
}

/** What holds for all streams, by configuration and defaults: it is asked for with every chunk, and nobody changes it. */
const COMMON = new WeakMap<object, WeakMap<Settings, Settings>>();

function commonSettings<S extends Settings>(config: object, type: string, defaults: S): S {
  let byDefaults = COMMON.get(config);
  if (byDefaults === undefined) {
    byDefaults = new WeakMap();
    COMMON.set(config, byDefaults);
  }
  let common = byDefaults.get(defaults);
  if (common === undefined) {
    common = { ...defaults, ...(config as DetectionConfig).detectors?.[type] };
    byDefaults.set(defaults, common);
  }
  return common as S;
}

/**
 * What is wrong with a configuration, one sentence for each fault; empty when nothing is. Whoever puts a configuration
 * into the log checks it first: reducers take it as it is.
 */
export function checkDetectionConfig(
  config: unknown,
  defaultsByType: { readonly [type: string]: Settings },
): readonly string[] {
  if (config === null) return [];
  if (!isObject(config)) return ['the configuration of detectors has to be an object'];
  const faults: string[] = [];
  checkTypes(config.detectors, 'detectors', defaultsByType, faults);
  const streams = config.streams;
  if (streams === undefined) return faults;
  if (!isObject(streams)) return [...faults, 'streams has to be an object'];
  for (const [stream, types] of Object.entries(streams)) {
    checkTypes(types, `streams.${stream}`, defaultsByType, faults);
  }
  return faults;
}

function checkTypes(
  types: unknown,
  path: string,
  defaultsByType: { readonly [type: string]: Settings },
  faults: string[],
): void {
  if (types === undefined) return;
  if (!isObject(types)) {
    faults.push(`${path} has to be an object`);
    return;
  }
  for (const [type, settings] of Object.entries(types)) {
    const defaults = Object.hasOwn(defaultsByType, type) ? defaultsByType[type] : undefined;
    if (defaults === undefined) {
      faults.push(`${path}.${type}: no such detector; there are ${Object.keys(defaultsByType).join(', ')}`);
    } else if (!isObject(settings)) {
      faults.push(`${path}.${type} has to be an object`);
    } else {
      for (const [name, value] of Object.entries(settings)) {
        if (!Object.hasOwn(defaults, name)) {
          faults.push(
            `${path}.${type}.${name}: no such setting; there are ${Object.keys(defaults).join(', ')}`,
          );
        } else if (!Number.isSafeInteger(value)) {
          faults.push(`${path}.${type}.${name} has to be an integer, and is ${JSON.stringify(value)}`);
        }
      }
    }
  }
}
