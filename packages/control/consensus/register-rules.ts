/**
 * The rules of the register that a search can take away one at a time, to see that it notices (`register-search.test.ts`).
 * What runs has all of them.
 */
export type RegisterRules = {
  /** PREPARE is answered yes only above every promise. */
  readonly preparesRise: boolean;
  /** ACCEPT below the promise is refused. */
  readonly promisesHold: boolean;
  /** Accepting is also promising. */
  readonly acceptPromises: boolean;
  /** A proposer goes on from the accepted value of the highest ballot that it heard of. */
  readonly highestWins: boolean;
  /** Nothing is chosen by less than a majority. */
  readonly majorities: boolean;
  /** An acceptor that lost its topic is not taken for the one it was. */
  readonly identities: boolean;
  /** A new acceptor is let in by others of whom every majority has one, without the one that is let in. */
  readonly newcomersMeetAll: boolean;
  /** Fewer than a majority decide only upon the new acceptor they let in: what changes no acceptor needs a majority. */
  readonly newcomersOnly: boolean;
  /** The first change takes in every acceptor, and until then nothing is known without all of them. */
  readonly foundingByAll: boolean;
  /** What is read without writing was reported alike by a majority. */
  readonly readsAgree: boolean;
  /** A proposer that is not sure of its change looks for it in what it reads next. */
  readonly changesSought: boolean;
  /** A refusal is told only once the value it goes by is chosen, with every earlier ballot out of the game. */
  readonly refusalsSettle: boolean;
  /** An acceptor accepts only what follows from the newest value it knows to be chosen. */
  readonly valuesFollow: boolean;
};

/** All rules in force; nothing but a search runs with fewer. */
export const RULES: RegisterRules = {
  preparesRise: true,
  promisesHold: true,
  acceptPromises: true,
  highestWins: true,
  majorities: true,
  identities: true,
  newcomersMeetAll: true,
  newcomersOnly: true,
  foundingByAll: true,
  readsAgree: true,
  changesSought: true,
  refusalsSettle: true,
  valuesFollow: true,
};
