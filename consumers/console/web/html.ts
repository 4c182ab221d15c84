/** Preact's elements written as template strings, so that no build step is needed. */
import htm from 'htm';
import { type ComponentChildren, h } from 'preact';

type Template = (strings: TemplateStringsArray, ...values: unknown[]) => ComponentChildren;

// its types are of another form of the module than the browser gets
export const html = (htm as unknown as { bind(create: typeof h): Template }).bind(h);
