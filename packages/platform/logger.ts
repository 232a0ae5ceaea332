/** Where a service says what it does, as a port: pino's shape, fields first. */

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. */
export const SILENT: Logger = { info: () => {}, warn: () => {}, error: () => {} };
