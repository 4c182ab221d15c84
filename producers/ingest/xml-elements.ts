/**
 * The elements of an XML document, as far as a manifest needs them: names without prefix, attributes, children, text. No
 * document type is read and no entity but the five of XML itself, so nothing in it can grow or point elsewhere; each
 * character is looked at a bounded number of times.
 */

export type XmlElement = {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Text directly in it, trimmed. */
  readonly text: string;
};

/** The root element; null when the text is no well-formed XML. */
export function parseXml(text: string): XmlElement | null {
  const root: Open = { name: '', attributes: new Map(), children: [], text: '' };
  const open: Open[] = [root];
  let at = 0;
  while (at < text.length) {
    const top = open.at(-1)!;
    const tagAt = text.indexOf('<', at);
    top.text += plain(text.slice(at, tagAt === -1 ? text.length : tagAt));
    if (tagAt === -1) break;
    const skipped = SKIPPED.find(({ from }) => text.startsWith(from, tagAt));
    const endMark = skipped?.to ?? '>';
    const endAt = text.indexOf(endMark, tagAt + 1);
    if (endAt === -1) return null;
    at = endAt + endMark.length;
    if (skipped !== undefined) {
      if (skipped.isText) top.text += text.slice(tagAt + skipped.from.length, endAt);
      continue;
    }
    if (!takeTag(text.slice(tagAt + 1, endAt), open)) return null;
  }
  return open.length === 1 && root.children.length === 1 ? root.children[0]! : null;
}

/** Children of one name, in order. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

type Open = { name: string; attributes: ReadonlyMap<string, string>; children: XmlElement[]; text: string };

const SKIPPED = [
  { from: '<!--', to: '-->', isText: false },
  { from: '<![CDATA[', to: ']]>', isText: true },
  { from: '<?', to: '?>', isText: false },
  { from: '<!', to: '>', isText: false },
];
const DEPTH_MAX = 40;

/** `tag` is what stands between the angle brackets. A `>` within an attribute, which manifests do not have, is an error. */
function takeTag(tag: string, open: Open[]): boolean {
  const top = open.at(-1)!;
  if (tag.startsWith('/')) {
    if (open.length === 1 || top.name !== nameIn(tag.slice(1))) return false;
    open.pop();
    open.at(-1)!.children.push({ ...top, text: top.text.trim() });
    return true;
  }
  const isEmpty = tag.endsWith('/');
  const name = nameIn(tag);
  if (name === '') return false;
  const element: Open = { name, attributes: attributesIn(tag), children: [], text: '' };
  if (isEmpty) top.children.push(element);
  else open.push(element);
  return open.length <= DEPTH_MAX;
}

function nameIn(tag: string): string {
  const name = /^[^\s/]*/.exec(tag)![0];
  return name.slice(name.indexOf(':') + 1);
}

function attributesIn(tag: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name, double, single] of tag.matchAll(/([^\s=<>"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    found.set(name!.slice(name!.indexOf(':') + 1), plain(double ?? single ?? ''));
  }
  return found;
}

const ENTITIES: { readonly [name: string]: string } = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function plain(text: string): string {
  return text.includes('&') ? text.replace(/&(\w+);/g, (all, name: string) => ENTITIES[name] ?? all) : text;
}
