/** A real Apache Cassandra on loopback: one node, or several that are a data centre each. Each write is synced before it is acked, as ours are. */

import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '@tidemark/dev/free-port';
import { javaProgram } from '@tidemark/dev/kafka/kafka-jars';
import { type MavenSet, mavenFolder } from '@tidemark/dev/maven/maven';
import type { Reaper } from '@tidemark/dev/reaper';
import { ServerProcess } from '@tidemark/dev/server-process';

const JARS: MavenSet = { pom: 'cassandra.pom.xml', goal: 'dependency:copy-dependencies' };
const READY_WAIT_MS = 180_000;
const HEAP = '1g';

/** Packages of Java's own that it reaches into. */
const OPENED: Readonly<Record<string, readonly string[]>> = {
  'java.base': [
    ...['java.io', 'java.lang', 'java.lang.module', 'java.lang.reflect', 'java.net', 'java.nio', 'java.util'],
    ...['java.util.concurrent', 'java.util.concurrent.atomic', 'java.util.jar', 'jdk.internal.loader'],
    ...['jdk.internal.math', 'jdk.internal.misc', 'jdk.internal.module', 'jdk.internal.perf', 'jdk.internal.ref'],
    ...['jdk.internal.reflect', 'jdk.internal.util', 'jdk.internal.util.jar', 'sun.nio.ch'],
  ],
  'java.management': ['com.sun.jmx.mbeanserver', 'sun.management'],
  'jdk.management': ['com.sun.management.internal'],
  'java.rmi': ['sun.rmi.registry', 'sun.rmi.transport', 'sun.rmi.transport.tcp'],
  'java.sql': ['java.sql'],
};

/** Running nodes, and where the first one answers, which is in the data centre `dc1`. */
export type CassandraServer = { readonly host: string; readonly port: number; stop(): Promise<void> };

/**
 * Starts nodes with their data in a folder, one after the other, and waits until each answers. The n-th is at 127.0.0.n
 * and in the data centre `dcn`.
 * @throws {Fault} `unavailable`: Java or the jars cannot be had, or one ended; its last output is in the message
 */
export async function startCassandra(folder: string, reaper: Reaper, count = 1): Promise<CassandraServer> {
  const [port, storagePort] = [await freePort(), await freePort()];
  const nodes: ServerProcess[] = [];
  for (let nth = 1; nth <= count; nth++)
    nodes.push(await startNode({ folder: join(folder, `node${nth}`), nth, port, storagePort }, reaper));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  return { host: addressOf(1), port, stop };
}

type Node = { readonly folder: string; readonly nth: number; readonly port: number; readonly storagePort: number };

const addressOf = (nth: number): string => `127.0.0.${nth}`;

async function startNode({ folder, nth, port, storagePort }: Node, reaper: Reaper): Promise<ServerProcess> {
  const java = javaProgram();
  const jars = await mavenFolder(JARS);
  const jmxPort = await freePort();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'cassandra.yaml'), settings({ folder, nth, port, storagePort }));
  await writeFile(join(folder, 'rackdc.properties'), `dc=dc${nth}\nrack=r1\n`);
  await writeFile(join(folder, 'logback.xml'), LOGGING);
  const opened = Object.entries(OPENED).flatMap(([module, packages]) =>
    packages.flatMap((name) => [
      ...['--add-opens', `${module}/${name}=ALL-UNNAMED`],
      ...['--add-exports', `${module}/${name}=ALL-UNNAMED`],
    ]),
  );
  const properties = {
    'logback.configurationFile': join(folder, 'logback.xml'),
    'cassandra.config': `file://${join(folder, 'cassandra.yaml')}`,
    'cassandra-rackdc.properties': `file://${join(folder, 'rackdc.properties')}`,
    'cassandra.storagedir': folder,
    'cassandra.logdir': folder,
    'java.library.path': jars,
    'cassandra.jmx.local.port': jmxPort,
    'cassandra.skip_wait_for_gossip_to_settle': 0,
    'cassandra.ring_delay_ms': 2_000,
  };
  const server = await ServerProcess.start({
    name: `cassandra ${nth}`,
    program: java,
    args: [
      ...[`-Xms${HEAP}`, `-Xmx${HEAP}`, ...opened],
      ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
      ...['-cp', join(jars, '*'), 'org.apache.cassandra.service.CassandraDaemon'],
    ],
    folder,
    reaper,
  });
  await server.waitUntil(() => answers(addressOf(nth), port), READY_WAIT_MS);
  return server;
}

function settings({ folder, nth, port, storagePort }: Node): string {
  return [
    'cluster_name: bench',
    'num_tokens: 16',
    'partitioner: org.apache.cassandra.dht.Murmur3Partitioner',
    `data_file_directories: [${join(folder, 'data')}]`,
    `commitlog_directory: ${join(folder, 'commitlog')}`,
    `saved_caches_directory: ${join(folder, 'caches')}`,
    `hints_directory: ${join(folder, 'hints')}`,
    `cdc_raw_directory: ${join(folder, 'cdc')}`,
    'commitlog_sync: batch',
    'disk_failure_policy: stop',
    'commit_failure_policy: stop',
    'seed_provider:',
    '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider',
    `    parameters: [{seeds: "${addressOf(1)}:${storagePort}"}]`,
    `listen_address: ${addressOf(nth)}`,
    `rpc_address: ${addressOf(nth)}`,
    `native_transport_port: ${port}`,
    `storage_port: ${storagePort}`,
    'endpoint_snitch: GossipingPropertyFileSnitch',
    'authenticator: AllowAllAuthenticator',
    'authorizer: AllowAllAuthorizer',
    '',
  ].join('\n');
}

const LOGGING = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%-5level %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
`;

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (is: boolean) => (): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}
