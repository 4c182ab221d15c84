/** Addresses beside the public ones that a user allows, on the command line or in the environment. */

/** Addresses that every stream may connect to: those of `--allow`, and those of EVERYVIEW_ALLOW, with commas between. */
export function allowedAddresses(env: NodeJS.ProcessEnv, given: readonly string[] = []): readonly string[] {
  const named = (env.EVERYVIEW_ALLOW ?? '').split(/[\s,]+/).filter((text) => text !== '');
  return [...given, ...named];
}

/** For an option that may be given several times. */
export function gathered(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
