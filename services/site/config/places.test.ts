import { describe, expect, it } from 'vitest';
import { SiteUrls } from './places.ts';

type Configured = { readonly url: string | null; readonly peerUrl: string | null };

function urls(configured: Configured | null, isSplit = false): SiteUrls {
  const urlOf = (site: string, role = 'any'): string => `heard ${site} ${role}`;
  const peerUrlOf = (site: string, role = 'any'): string => `heard peer ${site} ${role}`;
  const heard = { urlOf, peerUrlOf, isSplit: () => isSplit };
  const one = new SiteUrls({ site: 'paris', roles: ['writer'], configured: () => configured, heard: () => heard });
  one.own = 'own';
  one.ownPeer = 'own peer';
  return one;
}

describe('places', () => {
  it.each([
    ['nothing', null, 'heard tokyo any', 'heard peer tokyo any'],
    ['one for all', { url: 'told', peerUrl: null }, 'told', 'told'],
    ['both', { url: 'told', peerUrl: 'told peer' }, 'told', 'told peer'],
    ['the one for sites', { url: null, peerUrl: 'told peer' }, 'heard tokyo any', 'told peer'],
  ])(
    'where %s is configured, clients and sites are sent there, else where the site says it is',
    (_, told, client, peer) => {
      const found = urls(told);
      expect([found.of('tokyo'), found.ofPeer('tokyo'), found.ofVoter('tokyo')]).toEqual([client, peer, peer]);
      expect([found.of('paris'), found.ofPeer('paris')]).toEqual(['own', 'own peer']);
    },
  );

  it('of a site that is several processes, the one that votes is where it says it answers sites', () => {
    const found = urls({ url: 'told', peerUrl: 'told peer' }, true);
    expect(found.ofVoter('tokyo')).toBe('heard peer tokyo watchdog');
    expect(found.ofPeer('tokyo')).toBe('told peer');
  });
});
