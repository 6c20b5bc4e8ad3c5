import type { LoadedModel } from '../api/loaded-model.ts';
import type { InspectResponse } from '../api/types.ts';

/** A text inside a model, as the sections of the page show it. */
export interface View {
  readonly inspection: InspectResponse;
  readonly text: string;
  readonly details: LoadedModel;
}

/** The token that sections look at, and how to look at another. */
export interface TokenChoice {
  readonly token: number;
  readonly choose: (token: number) => void;
}
