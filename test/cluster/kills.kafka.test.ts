import { describeKills } from './describe-kills.ts';

const kills = Number(process.env.KILLS ?? 4);
describeKills('kafka', { replicaKills: kills, siteKills: Math.ceil(kills / 3) });
