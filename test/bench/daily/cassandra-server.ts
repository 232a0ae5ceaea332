/** A real Apache Cassandra of one node on loopback. Each write is synced before it is acked, as ours are. */

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

/** A running node, and where it answers. */
export type CassandraServer = { readonly host: string; readonly port: number; stop(): Promise<void> };

/**
 * Starts a node with its data in a folder, and waits until it answers.
 * @throws {Fault} `unavailable`: Java or the jars cannot be had, or it ended; its last output is in the message
 */
export async function startCassandra(folder: string, reaper: Reaper): Promise<CassandraServer> {
  const java = javaProgram();
  const jars = await mavenFolder(JARS);
  const [port, storagePort, jmxPort] = [await freePort(), await freePort(), await freePort()];
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'cassandra.yaml'), settings(folder, port, storagePort));
  await writeFile(join(folder, 'rackdc.properties'), 'dc=dc1\nrack=r1\n');
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
    name: 'cassandra',
    program: java,
    args: [
      ...[`-Xms${HEAP}`, `-Xmx${HEAP}`, ...opened],
      ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
      ...['-cp', join(jars, '*'), 'org.apache.cassandra.service.CassandraDaemon'],
    ],
    folder,
    reaper,
  });
  await server.waitUntil(() => answers(port), READY_WAIT_MS);
  return { host: '127.0.0.1', port, stop: () => server.stop() };
}

function settings(folder: string, port: number, storagePort: number): string {
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
    `    parameters: [{seeds: "127.0.0.1:${storagePort}"}]`,
    'listen_address: 127.0.0.1',
    'rpc_address: 127.0.0.1',
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

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (is: boolean) => (): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}
