import { describeKills } from './describe-kills.ts';

const kills = Number(process.env.KILLS ?? 6);
describeKills('embedded', { replicaKills: kills, siteKills: Math.ceil(kills / 3) });
