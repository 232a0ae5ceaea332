/** Sites by name where an address is asked for, before anybody knows where they are. */

/** The address that stands for a site whatever its URL turns out to be: the network of a site resolves it at each request. */
export function placeOf(site: string): string {
  return `site://${site}`;
}

/** The site and the path of an address that stands for a site; null for any other. */
export function siteIn(url: string): { readonly site: string; readonly path: string } | null {
  const [, site, path] = /^site:\/\/([^/]+)(.*)$/.exec(url) ?? [];
  return site === undefined ? null : { site, path: path! };
}
