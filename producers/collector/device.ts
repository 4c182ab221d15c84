/** What a User-Agent says about the device, in the classes that cohorts are made of. */
import Bowser from 'bowser';

export type Device = { readonly deviceClass: string; readonly osName: string };

export const UNKNOWN_DEVICE: Device = { deviceClass: 'unknown', osName: '' };

/** Never throws: what is not understood is `unknown`. */
export function deviceOf(userAgent: string): Device {
  if (userAgent === '' || userAgent.length > AGENT_CHARS_MAX) return UNKNOWN_DEVICE;
  let platform: string | undefined;
  let osName: string | undefined;
  try {
    const { platform: found, os } = Bowser.parse(userAgent);
    platform = found.type;
    osName = os.name;
  } catch {
    return UNKNOWN_DEVICE;
  }
  return {
    deviceClass:
      (CONSOLE.test(userAgent) ? 'console' : boxOrTv(userAgent)) ??
      CLASS_OF_PLATFORM[platform ?? ''] ??
      'unknown',
    osName: OS_NAME.test(osName ?? '') ? osName! : '',
  };
}

/** {@link deviceOf} with a bounded memory: few agents make most of the reports, and each takes hundreds of patterns. */
export function cachedDevices(entriesMax = 2_000): (userAgent: string) => Device {
  const known = new Map<string, Device>();
  return (userAgent) => {
    let device = known.get(userAgent);
    if (device === undefined) {
      device = deviceOf(userAgent);
      if (known.size >= entriesMax) known.delete(known.keys().next().value!);
      known.set(userAgent, device);
    }
    return device;
  };
}

function boxOrTv(userAgent: string): string | null {
  if (SET_TOP_BOX.test(userAgent)) return 'set-top-box';
  return TV.test(userAgent) ? 'tv' : null;
}

const AGENT_CHARS_MAX = 1_024;
const CONSOLE = /\b(?:PlayStation|Xbox|Nintendo)\b/i;
const SET_TOP_BOX = /\b(?:Roku|AppleTV|CrKey|AFT[A-Z0-9]{1,6}|STB|SetTopBox|BRAVIA STB)\b/i;
const TV = /\b(?:SMART-TV|SmartTV|HbbTV|Web0S|WebOS|GoogleTV|Android TV|BRAVIA|NetCast|VIDAA)\b/i;
/** A name of bowser's own table; anything else came out of the agent itself. */
const OS_NAME = /^[A-Za-z][A-Za-z0-9 +./-]{0,31}$/;
const CLASS_OF_PLATFORM: Readonly<Record<string, string>> = {
  desktop: 'desktop',
  mobile: 'phone',
  tablet: 'tablet',
  tv: 'tv',
};
