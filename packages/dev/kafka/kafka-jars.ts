/** Kafka's jars, and the archive of loaded classes that lets a broker start in half the time. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Fault } from '@tidemark/platform/fault';
import { cacheFolder } from '../cache.ts';
import { isWithinReach, type MavenSet, mavenFolder } from '../maven/maven.ts';
import { findJava } from '../programs.ts';

const KAFKA: MavenSet = { pom: 'kafka.pom.xml', goal: 'dependency:copy-dependencies' };
const MIRROR_MAKER: MavenSet = { pom: 'mirror-maker.pom.xml', goal: 'dependency:copy-dependencies' };

const PRODUCER: MavenSet = { pom: 'producer.pom.xml', goal: 'dependency:copy-dependencies' };

/** Java, with which any of the class paths below is run. @throws {Fault} `unavailable`: there is none. */
export function javaProgram(): string {
  const java = findJava();
  if (java !== null) return java;
  throw new Fault('unavailable', 'Java is missing: install a JDK or JRE 17 or newer (java on the PATH, or JAVA_HOME)');
}

/** What keeps this machine from starting Kafka, in words for a person; null when nothing does. */
export function kafkaObstacle(): string | null {
  if (findJava() === null) return 'Java 17 or newer is missing (java on the PATH, or JAVA_HOME)';
  return isWithinReach(KAFKA) ? null : 'Maven is missing (mvn on the PATH), and Kafka was never fetched before';
}

/** Class path of the broker. @throws {Fault} `unavailable`: it cannot be fetched. */
export async function kafkaJars(): Promise<string> {
  return classPathOf(await mavenFolder(KAFKA));
}

/** Class path of MirrorMaker 2 and of the command-line tools. @throws {Fault} `unavailable`: it cannot be fetched. */
export async function mirrorMakerJars(): Promise<string> {
  return classPathOf(await mavenFolder(MIRROR_MAKER));
}

/** Class path of a producer in Java: Apache's Avro and Kafka client. @throws {Fault} `unavailable`: it cannot be fetched. */
export async function producerJars(): Promise<string> {
  return classPathOf(await mavenFolder(PRODUCER));
}

// In a fixed order, as the archive of classes is valid for exactly one class path.
function classPathOf(folder: string): string {
  const jars = readdirSync(folder).filter((name) => name.endsWith('.jar'));
  return jars
    .sort()
    .map((name) => join(folder, name))
    .join(delimiter);
}

/** Where the archive for this Java, class path and set of flags lives, and whether it is there yet. */
export function classArchive(java: string, classPath: string, flags: readonly string[]): ClassArchive {
  const program = realpathSync(java);
  const text = JSON.stringify([program, statSync(program).mtimeMs, classPath, flags]);
  const key = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const path = join(cacheFolder(), `classes-${key}.jsa`);
  return { path, exists: existsSync(path) };
}

type ClassArchive = { readonly path: string; readonly exists: boolean };
