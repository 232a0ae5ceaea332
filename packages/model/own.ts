/** A row's property by name, and never one of Object's: a column may be called `constructor`. */

/** Undefined when the object itself has no such property. */
export function own<T>(object: Readonly<Record<string, T>> | null, name: string): T | undefined {
  return object !== null && Object.hasOwn(object, name) ? object[name] : undefined;
}
